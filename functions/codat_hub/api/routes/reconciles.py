"""The routes of /reconciles: compare Codat with the hub, and show the drift."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import BaseModel, Field

from codat_hub.api.fields import LONGEST, RequestModel, not_a_cursor, seal, unseal
from codat_hub.api.resource import Resource
from codat_hub.reconcile.domain.drift import EXPLAINED, Drift, DriftKind, Severity
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus

if TYPE_CHECKING:
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun

routes: Final = Resource("reconciles")
_RECONCILE_ID: Final = r"^[0-9A-Za-z-]{1,64}$"
ReconcileId = Annotated[str, Path(pattern=_RECONCILE_ID, description="the id of a reconcile")]


class StartFields(RequestModel):
    """How to compare. `confirm_gone`: the reconcile that found many companies gone, if they are."""

    confirm_gone: Annotated[str, Field(pattern=_RECONCILE_ID)] | None = None


class DriftAnswer(BaseModel):
    """A difference between Codat and the hub.

    `mended`: the hub has repaired its own side. `means`: what the kind of drift means. `to_do`:
    what a person has to do.
    """

    kind: DriftKind
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
        return cls(**asdict(drift), **asdict(EXPLAINED[drift.kind]))


class ReconcileAnswer(BaseModel):
    """A reconcile: how far it is, and how much drift it has found.

    `counts`: so far; `companies` at Codat, `directory` entries of the hub, `codat_calls` and more.
    `drift`: the number of each kind. `mended`: how many the hub repaired. `unsafe`: how many a
    person must act on. `waiting_until`: no calls are left until then. `resumed`: how often
    the reconcile went on after its process was killed.
    """

    reconcile_id: str
    status: ReconcileStatus
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
    def of(cls, run: ReconcileRun) -> ReconcileAnswer:
        return cls.model_validate(run, from_attributes=True)


class ReconcilePage(BaseModel):
    """A page of reconciles, the newest first. `next_cursor`: null on the last page."""

    reconciles: list[ReconcileAnswer]
    next_cursor: str | None


class ReconcileDetails(ReconcileAnswer):
    """A reconcile with a page of its drift.

    `items`: the listed drift; the first thousand of each kind. `next_cursor`: null on the last
    page.
    """

    items: list[DriftAnswer]
    next_cursor: str | None


@routes.post(
    "/reconciles",
    "Compare Codat with the hub now",
    409,
    success={202: "Started. If a reconcile is under way, the answer is that reconcile."},
)
def start_reconcile(body: Annotated[StartFields | None, Body()] = None) -> ReconcileAnswer:
    confirms = None if body is None else body.confirm_gone
    return ReconcileAnswer.of(routes.hub.start_reconcile(routes.caller, confirms))


@routes.get("/reconciles", "List the reconciles")
def list_reconciles(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> ReconcilePage:
    runs = routes.hub.reconciles.page(_before(cursor), limit)
    following = seal(runs[-1].reconcile_id) if len(runs) == limit else None
    return ReconcilePage(
        reconciles=[ReconcileAnswer.of(run) for run in runs], next_cursor=following
    )


@routes.get("/reconciles/<reconcile_id>", "Show how far a reconcile is, and what it found", 404)
def show_reconcile(
    reconcile_id: ReconcileId,
    kind: Annotated[DriftKind | None, Query(description="only drift of this kind")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> ReconcileDetails:
    reconciles = routes.hub.reconciles
    run = reconciles.show(reconcile_id)
    page = reconciles.drift(run, _start(cursor), limit, kind)
    return ReconcileDetails(
        **ReconcileAnswer.of(run).model_dump(),
        items=[DriftAnswer.of(drift) for drift in page.drift],
        next_cursor=None if page.following is None else seal(*page.following),
    )


def _before(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    match unseal(cursor):
        case [str() as reconcile_id] if reconcile_id:
            return reconcile_id
        case _:
            raise not_a_cursor(cursor)


def _start(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return (0, 0)
    match unseal(cursor):
        case [int() as step, int() as row] if min(step, row) >= 0:
            return (step, row)
        case _:
            raise not_a_cursor(cursor)
