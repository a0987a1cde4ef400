"""The routes to refresh now: a company's product, a whole product, a client-level company."""

from __future__ import annotations

from collections import Counter
from datetime import datetime  # pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import BaseModel, Field

from codat_hub.api.fields import CompanyId, ProductId, RequestModel
from codat_hub.api.resource import Resource
from codat_hub.errors import Invalid, Problem
from codat_hub.products.domain.product_rules import cut
from codat_hub.rate_limiting.domain.waits import Waits  # pydantic reads them
from codat_hub.refresh.domain.ticket import TicketStatus  # pydantic reads them

if TYPE_CHECKING:
    from codat_hub.refresh.domain.ticket import Failure, Ticket

routes: Final = Resource("refreshes")


class WhatToRefresh(RequestModel):
    """What to refresh. `data_types`: some of the product's, each once; left out for all of them."""

    data_types: Annotated[list[str], Field(max_length=100)] | None = None


class RefreshError(BaseModel):
    """Why a refresh was not accepted.

    `kind`: such as busy or rejected. `message`: Codat's text, or the hub's.
    """

    kind: str
    message: str
    correlation_id: str | None = None


class RefreshAnswer(BaseModel):
    """A refresh of a company.

    `product`: null for a refresh by client-level settings. `attempts`: calls made to Codat.
    `waits_for`: why the refresh has to wait; `lease` is another refresh of the company.
    `next_attempt_at`: null once the refresh is over. `slot`: the scheduled time of the refresh.
    """

    company_id: str
    product: str | None
    status: TicketStatus
    attempts: int
    opened_at: datetime
    next_attempt_at: datetime | None
    deadline: datetime
    accepted_at: datetime | None = None
    slot: datetime | None = None
    requested_by: str | None = None
    data_types: list[str] | None = None
    waits_for: Waits | None = None
    error: RefreshError | None = None

    @classmethod
    def of(cls, ticket: Ticket) -> RefreshAnswer:
        failure = ticket.failure
        return cls(
            company_id=ticket.company_id,
            product=ticket.product,
            status=ticket.status,
            attempts=ticket.attempts,
            opened_at=ticket.opened_at,
            next_attempt_at=ticket.due_at if ticket.open else None,
            deadline=ticket.deadline,
            accepted_at=ticket.accepted_at,
            slot=ticket.slot,
            requested_by=ticket.requested_by,
            data_types=None if ticket.data_types is None else list(ticket.data_types),
            waits_for=ticket.waits_for,
            error=None if failure is None else _error(failure),
        )


def _error(failure: Failure) -> RefreshError:
    return RefreshError(
        kind=failure.kind, message=failure.text, correlation_id=failure.correlation_id
    )


class ProductRefreshAnswer(BaseModel):
    """A refresh of a product for all companies. `run`: the `slot` of each company's refresh."""

    product: str
    run: datetime


def _data_types(body: WhatToRefresh | None) -> tuple[str, ...] | None:
    """Return the data types. Raises Invalid for one named twice: each costs a call to Codat."""
    if body is None or body.data_types is None:
        return None
    repeated = [name for name, times in Counter(body.data_types).items() if times > 1]
    if repeated:
        raise Invalid(
            *(
                Problem("data_types", "named more than once", cut(name), "each data type once")
                for name in repeated
            )
        )
    return tuple(body.data_types)


@routes.post(
    "/companies/<company_id>/products/<product>/refresh",
    "Refresh a company's product now",
    404,
    409,
    success={202: "Requested; GET on the same path shows it."},
)
def refresh_company_product(
    company_id: CompanyId, product: ProductId, body: Annotated[WhatToRefresh | None, Body()] = None
) -> RefreshAnswer:
    asked = routes.hub.refresh_now.company(company_id, product, _data_types(body), routes.caller)
    return RefreshAnswer.of(asked)


@routes.get(
    "/companies/<company_id>/products/<product>/refresh",
    "Show the latest refresh of a company's product",
    404,
)
def show_refresh(company_id: CompanyId, product: ProductId) -> RefreshAnswer:
    return RefreshAnswer.of(routes.hub.refresh_now.show(company_id, product))


@routes.delete(
    "/companies/<company_id>/products/<product>/refresh",
    "Cancel the refresh of a company's product, unless it is over",
    404,
)
def cancel_refresh(company_id: CompanyId, product: ProductId) -> RefreshAnswer:
    stopped = routes.hub.refresh_now.stop(company_id, product, routes.caller)
    return RefreshAnswer.of(stopped)


@routes.post(
    "/products/<product>/refresh",
    "Refresh a product now for every company that has it",
    404,
    409,
    success={202: "Requested; GET /companies/{company_id}/products/{product}/refresh shows each."},
)
def refresh_product(product: ProductId) -> ProductRefreshAnswer:
    run = routes.hub.refresh_now.all_companies(product, routes.caller)
    return ProductRefreshAnswer(product=product, run=run)


@routes.post(
    "/companies/<company_id>/refresh",
    "Refresh a company on client-level settings now",
    404,
    409,
    success={202: "Requested; GET on the same path shows it."},
)
def refresh_company(
    company_id: CompanyId, body: Annotated[WhatToRefresh | None, Body()] = None
) -> RefreshAnswer:
    asked = routes.hub.refresh_now.client_level(company_id, _data_types(body), routes.caller)
    return RefreshAnswer.of(asked)


@routes.get(
    "/companies/<company_id>/refresh",
    "Show the latest refresh of a company by client-level settings",
    404,
)
def show_company_refresh(company_id: CompanyId) -> RefreshAnswer:
    return RefreshAnswer.of(routes.hub.refresh_now.show(company_id, None))
