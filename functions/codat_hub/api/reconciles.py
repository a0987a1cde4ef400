"""/reconciles: hold Codat's truth against the hub's, and what that found."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel

from codat_hub.api.fields import LONGEST, seal, unseal
from codat_hub.api.hub import caller_of, hub_of, new_router
from codat_hub.api.problems import answers
from codat_hub.errors import Invalid, Problem
from codat_hub.reconcile.domain.drift import EXPLAINED, Drift, Kind, Severity
from codat_hub.reconcile.domain.reconcile_run import Status

if TYPE_CHECKING:
    from codat_hub.reconcile.domain.reconcile_run import Run

router: Final = new_router()
_TAGS: Final = ["reconciles"]
ReconcileId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="of a reconcile")]


class DriftAnswer(BaseModel):
    """One disagreement. `mended`: the hub has put its own side right; else do what `to_do` says."""

    kind: Kind
    severity: Severity
    company_id: str | None = None
    product: str | None = None
    subject: str | None = None
    detail: str
    mended: bool
    means: str
    to_do: str

    @classmethod
    def of(cls, drift: Drift) -> DriftAnswer:
        explained = EXPLAINED[drift.kind]
        return cls(
            kind=drift.kind,
            severity=explained.severity,
            company_id=drift.company_id,
            product=drift.product,
            subject=drift.subject,
            detail=drift.detail,
            mended=drift.mended,
            means=explained.means,
            to_do=explained.to_do,
        )


class ReconcileAnswer(BaseModel):
    """`counts`: companies (at Codat), directory (ours), codat_calls and others, so far.

    `drift`: how many of each kind, exactly; `mended`, `unsafe`: how many of them were put right,
    and how many a person must act on. `waiting_until`: Codat's quota is used up until then.
    `resumed`: how often it went on after it was killed.
    """

    reconcile_id: str
    status: Status
    phase: str
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waiting_until: datetime | None
    counts: dict[str, int]
    companies_at_codat: int | None
    drift: dict[str, int]
    mended: int
    unsafe: int
    resumed: int
    error: str | None

    @classmethod
    def of(cls, run: Run) -> ReconcileAnswer:
        total = run.facts.get("companies_at_codat")
        return cls(
            reconcile_id=run.reconcile_id,
            status=run.status,
            phase=run.phase,
            requested_by=run.requested_by,
            requested_at=run.requested_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            waiting_until=run.waiting_until,
            counts=dict(run.counts),
            companies_at_codat=None if total is None else int(total),
            drift=dict(run.drift),
            mended=run.mended,
            unsafe=run.unsafe,
            resumed=run.resumed,
            error=run.error,
        )


class ReconcilePage(BaseModel):
    """The newest first; `next_cursor` is null on the last page."""

    reconciles: list[ReconcileAnswer]
    next_cursor: str | None


class ReconcileDetails(ReconcileAnswer):
    """`items`: a page of the drift. Of one kind the first thousand are listed."""

    items: list[DriftAnswer]
    next_cursor: str | None


@router.post(
    "/reconciles",
    summary="Compare Codat with the hub now",
    tags=_TAGS,
    status_code=202,
    responses=answers(
        success={202: "It goes on by itself; one that was not over yet is the one answered with."}
    ),
)
def start_reconcile() -> ReconcileAnswer:
    return ReconcileAnswer.of(hub_of(router).start_reconcile(caller_of(router)))


@router.get("/reconciles", summary="List the reconciles", tags=_TAGS, responses=answers())
def list_reconciles(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> ReconcilePage:
    runs = hub_of(router).reconciles.page(_before(cursor), limit)
    following = seal(runs[-1].reconcile_id) if len(runs) == limit else None
    return ReconcilePage(
        reconciles=[ReconcileAnswer.of(one) for one in runs], next_cursor=following
    )


@router.get(
    "/reconciles/<reconcile_id>",
    summary="Show one reconcile: how far it is, and what it found",
    tags=_TAGS,
    responses=answers(404),
)
def show_reconcile(
    reconcile_id: ReconcileId,
    kind: Annotated[Kind | None, Query(description="only drift of this kind")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> ReconcileDetails:
    reconciles = hub_of(router).reconciles
    run = reconciles.one(reconcile_id)
    page = reconciles.drift(run, _start(cursor), limit, kind)
    return ReconcileDetails(
        **ReconcileAnswer.of(run).model_dump(),
        items=[DriftAnswer.of(one) for one in page.drift],
        next_cursor=None if page.following is None else seal(*page.following),
    )


def _before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    match unseal(cursor):
        case [str() as reconcile_id] if reconcile_id:
            return reconcile_id
        case _:
            raise Invalid(Problem("cursor", "not a cursor of this list"))


def _start(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return (0, 0)
    match unseal(cursor):
        case [int() as step, int() as row] if min(step, row) >= 0:
            return (step, row)
        case _:
            raise Invalid(Problem("cursor", "not a cursor of this list"))
