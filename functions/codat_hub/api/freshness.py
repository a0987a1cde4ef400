"""/freshness: when each product of each company was last read, and what is late."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from codat_hub.api.fields import COMPANY_ID, LONGEST, seal, unseal
from codat_hub.api.hub import hub_of, new_router
from codat_hub.api.problems import answers
from codat_hub.companies.domain.assignment import Status
from codat_hub.errors import Invalid, Problem
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from datetime import timedelta

    from codat_hub.product_events.domain.freshness import Freshness

router: Final = new_router()
_TAGS: Final = ["freshness"]


class FreshnessAnswer(BaseModel):
    """`outcomes`: how the latest read of its data types ended, by Codat's status.

    `watermark_at`: everything up to then has reached the team; null while a data type was never
    read to its end. `cadence_seconds`: from slot to slot of the product's schedule, null without
    one. `due_at`: the first slot since the last read. `overdue_seconds`: past `due_at`, once that
    is more than half the cadence ago (an hour at least, fourteen at most); else null. What cannot
    be read (not linked, no consent, not assigned) is never overdue.
    """

    company_id: str
    company_name: str | None
    product: str
    status: Status
    linked: bool
    consent: bool
    last_read_at: datetime | None
    outcomes: dict[str, int]
    unsuccessful: list[str]
    watermark_at: datetime | None
    cadence_seconds: int | None
    due_at: datetime | None
    overdue: bool
    overdue_seconds: int | None

    @classmethod
    def of(cls, one: Freshness) -> FreshnessAnswer:
        return cls(
            company_id=one.company_id,
            company_name=one.company_name,
            product=one.product,
            status=Status(one.status),
            linked=one.linked,
            consent=one.consent,
            last_read_at=one.last_read_at,
            outcomes=dict(one.outcomes),
            unsuccessful=list(one.unsuccessful),
            watermark_at=one.watermark_at,
            cadence_seconds=_seconds(one.cadence),
            due_at=one.due_at,
            overdue=one.overdue,
            overdue_seconds=_seconds(one.overdue_by),
        )


class FreshnessList(BaseModel):
    """`next_cursor` is null on the last page; a page before it may hold fewer than `limit`, and a

    company's products always come on one page.
    """

    freshness: list[FreshnessAnswer]
    next_cursor: str | None


@router.get("/freshness", summary="Tell how fresh the data is", tags=_TAGS, responses=answers())
def list_freshness(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
    product: Annotated[str | None, Query(description="only this product")] = None,
    company: Annotated[
        str | None, Query(pattern=COMPANY_ID, description="only this company, by its id")
    ] = None,
    overdue: Annotated[bool, Query(description="only what is late by its cadence")] = False,
) -> FreshnessList:
    measure = hub_of(router).freshness
    if company is not None:
        rows = measure.of_company(company, product or None)
        wanted = [one for one in rows if one.overdue or not overdue]
        return FreshnessList(
            freshness=[FreshnessAnswer.of(one) for one in wanted], next_cursor=None
        )
    page = measure.page(product or None, _place(cursor), limit, overdue=overdue)
    place = page.following
    return FreshnessList(
        freshness=[FreshnessAnswer.of(one) for one in page.rows],
        next_cursor=None if place is None else seal(place.shard, place.after),
    )


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


def _place(cursor: str | None) -> Cursor:
    if cursor is None:
        return Cursor()
    match unseal(cursor):
        case [int() as shard, str() | None as after] if shard >= 0:
            return Cursor(shard, after)
        case _:
            raise Invalid(Problem("cursor", "not a cursor of this list"))
