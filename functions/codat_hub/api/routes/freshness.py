"""The route of /freshness: when each product of each company was last read, and what is late."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from codat_hub.api.fields import (
    COMPANY_ID,
    LONGEST,
    not_a_cursor,
    seal,
    seal_place,
    unseal,
    unseal_place,
)
from codat_hub.api.resource import Resource
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.product_events.usecases.measure_freshness import OverdueCursor

if TYPE_CHECKING:
    from datetime import timedelta

    from codat_hub.product_events.domain.freshness import Freshness

routes: Final = Resource("freshness")


class FreshnessAnswer(BaseModel):
    """How fresh a product of a company is.

    `outcomes`: the number of data types, for each connection, by the status of their latest read.
    `unsuccessful`: the data types whose latest read failed. `watermark_at`: the product's events
    cover all data up to this time; null until every data type has been read successfully.
    `cadence_seconds`: from slot to slot of the product's schedule; null without a schedule.
    `due_at`: the first slot after the last read, or after the assignment. `overdue_seconds`: the
    time since `due_at`; null until it is more than half the cadence, which counts as one hour at
    least and 14 hours at most. A product that cannot be read (not linked, no consent or not
    assigned) is never overdue.
    """

    company_id: str
    company_name: str | None
    product: str
    status: AssignmentStatus
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
    def of(cls, freshness: Freshness) -> FreshnessAnswer:
        return cls(
            company_id=freshness.company_id,
            company_name=freshness.company_name,
            product=freshness.product,
            status=AssignmentStatus(freshness.status),
            linked=freshness.linked,
            consent=freshness.consent,
            last_read_at=freshness.last_read_at,
            outcomes=dict(freshness.outcomes),
            unsuccessful=list(freshness.unsuccessful),
            watermark_at=freshness.watermark_at,
            cadence_seconds=_seconds(freshness.cadence),
            due_at=freshness.due_at,
            overdue=freshness.overdue,
            overdue_seconds=_seconds(freshness.overdue_by),
        )


class FreshnessList(BaseModel):
    """A page of products on companies.

    `next_cursor`: null on the last page. An earlier page may hold fewer than `limit` products, or
    none. Without `overdue`, all products of a company come on one page, which may then hold more.
    With `overdue` they are in the order of the products, the longest overdue first. A product that
    may be read again, after a time without consent or connection, is in that list from its next
    slot on.
    """

    freshness: list[FreshnessAnswer]
    next_cursor: str | None


@routes.get("/freshness", "Show how fresh the data is")
def list_freshness(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
    product: Annotated[str | None, Query(description="only this product")] = None,
    company: Annotated[
        str | None, Query(pattern=COMPANY_ID, description="only this company, by its id")
    ] = None,
    overdue: Annotated[
        bool, Query(description="only products that are late by their cadence")
    ] = False,
) -> FreshnessList:
    measure = routes.hub.freshness
    if company is not None:
        of_company = measure.of_company(company, product or None)
        wanted = [row for row in of_company if row.overdue or not overdue]
        return FreshnessList(
            freshness=[FreshnessAnswer.of(row) for row in wanted], next_cursor=None
        )
    if overdue:
        late = measure.overdue(product or None, _unseal_overdue(cursor), limit)
        rows, following = late.rows, late.following and seal(*late.following)
    else:
        page = measure.page(product or None, unseal_place(cursor), limit)
        rows, following = page.rows, seal_place(page.following)
    return FreshnessList(freshness=[FreshnessAnswer.of(row) for row in rows], next_cursor=following)


def _unseal_overdue(cursor: str | None) -> OverdueCursor:
    if cursor is None:
        return OverdueCursor()
    match unseal(cursor):
        case [str() as product, str() | None as after]:
            return OverdueCursor(product, after)
        case _:
            raise not_a_cursor(cursor)


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())
