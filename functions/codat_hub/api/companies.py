"""/companies: create, list, show; add and remove products."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel, Field

from codat_hub.api.assignments import AssignmentAnswer
from codat_hub.api.fields import (
    LONGEST,
    CompanyId,
    GrantFields,
    IdempotencyKey,
    Request,
    seal,
    unseal,
)
from codat_hub.api.hub import caller_of, hub_of, new_router
from codat_hub.api.problems import CALLS_CODAT, answers
from codat_hub.api.queries.companies import Filter
from codat_hub.companies.domain.assignment import Status
from codat_hub.companies.domain.new_company import CreatedCompany, NewCompany
from codat_hub.errors import Invalid, Problem
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from codat_hub.api.queries.companies import CompanyView
    from codat_hub.companies.domain.company import Company

router: Final = new_router()
_TAGS: Final = ["companies"]
_JSON: Final = "application/json"


class NewCompanyFields(Request):
    """`consents`: per product what the customer agreed to already, recorded before it is added."""

    name: str
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    products: list[str] = Field(default_factory=list)
    consents: dict[str, GrantFields] = Field(default_factory=dict)

    def company(self) -> NewCompany:
        return NewCompany(
            name=self.name,
            description=self.description,
            tags=self.tags,
            products=tuple(self.products),
            consents={product: one.grant() for product, one in self.consents.items()},
        )


class ProductOutcomeAnswer(BaseModel):
    """`status`: assigned; refused (`detail` says why); failed (repeat the request)."""

    product: str
    status: str
    detail: str | None = None


class CreatedCompanyAnswer(BaseModel):
    """`complete` is false while a product that was asked for is not assigned: mend what `detail`

    says and repeat the request with the same `Idempotency-Key`. `link_url` is Codat's link for
    the customer to authorise a connection.
    """

    company_id: str
    name: str | None
    link_url: str | None
    complete: bool
    products: list[ProductOutcomeAnswer]

    @classmethod
    def of(cls, created: CreatedCompany) -> CreatedCompanyAnswer:
        return cls(
            company_id=created.company.company_id,
            name=created.company.name,
            link_url=created.company.link_url,
            complete=created.complete,
            products=[
                ProductOutcomeAnswer(product=one.product, status=one.status, detail=one.detail)
                for one in created.products
            ],
        )


class ConnectionAnswer(BaseModel):
    connection_id: str
    status: str
    integration: str | None = None
    source_type: str | None = None


class CompanyAnswer(BaseModel):
    """`linked`: a connection can sync. `products`: as Codat last told."""

    company_id: str
    name: str | None
    linked: bool
    deleted_at: datetime | None
    products: list[str]
    connections: list[ConnectionAnswer]

    @classmethod
    def of(cls, company: Company) -> CompanyAnswer:
        return cls(**_company(company))


class CompanyPage(BaseModel):
    """`next_cursor` is null on the last page; a page before it may hold fewer than `limit`."""

    companies: list[CompanyAnswer]
    next_cursor: str | None


class CompanyDetails(CompanyAnswer):
    """`last_read_at`: what Codat reads by itself, not for one custom product."""

    assignments: list[AssignmentAnswer]
    last_read_at: datetime | None = None

    @classmethod
    def of_view(cls, view: CompanyView) -> CompanyDetails:
        assignments = [
            AssignmentAnswer.of(one, view.reads.get(one.product)) for one in view.assignments
        ]
        return cls(
            **_company(view.company), assignments=assignments, last_read_at=view.reads.get(None)
        )


@router.post(
    "/companies",
    summary="Create a company, with products",
    tags=_TAGS,
    status_code=201,
    responses=answers(
        422, *CALLS_CODAT, success={201: "Created; `complete` says whether all is done."}
    ),
    operation_id="create_company",
)
def create_company(
    body: Annotated[NewCompanyFields, Body()],
    idempotency_key: IdempotencyKey = None,
) -> CreatedCompanyAnswer:
    created = hub_of(router).create_company(body.company(), idempotency_key, caller_of(router))
    return CreatedCompanyAnswer.of(created)


@router.get(
    "/companies",
    summary="List companies",
    tags=_TAGS,
    responses=answers(),
    operation_id="list_companies",
)
def list_companies(  # noqa: PLR0917  # one argument is one query parameter
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
    product: Annotated[str | None, Query(description="only those that have this product")] = None,
    status: Annotated[Status | None, Query(description="of the product's assignment")] = None,
    linked: Annotated[bool | None, Query(description="whether a connection can sync")] = None,
    name: Annotated[str | None, Query(description="a part of the name")] = None,
    deleted: Annotated[bool, Query(description="those deleted at Codat too")] = False,
) -> CompanyPage:
    if status is not None and product is None:
        raise Invalid(Problem("status", "is of a product: name the product too", status))
    wanted = Filter(product or None, status, linked, name, deleted)
    page = hub_of(router).companies.page(wanted, _place(cursor), limit)
    place = page.following
    following = None if place is None else seal(place.shard, place.after)
    companies = [CompanyAnswer.of(one) for one in page.companies]
    return CompanyPage(companies=companies, next_cursor=following)


@router.get(
    "/companies/<company_id>",
    summary="Show one company",
    tags=_TAGS,
    responses=answers(),
    operation_id="show_company",
)
def show_company(company_id: CompanyId) -> CompanyDetails:
    return CompanyDetails.of_view(hub_of(router).companies.one(company_id))


def _company(company: Company) -> dict[str, Any]:
    return {
        "company_id": company.company_id,
        "name": company.name,
        "linked": company.linked,
        "deleted_at": company.deleted_at,
        "products": list(company.products),
        "connections": [
            ConnectionAnswer(
                connection_id=connection_id,
                status=one.status,
                integration=one.integration,
                source_type=one.source_type,
            )
            for connection_id, one in company.connections.items()
        ],
    }


def _place(cursor: str | None) -> Cursor:
    if cursor is None:
        return Cursor()
    match unseal(cursor):
        case [int() as shard, str() | None as after] if shard >= 0:
            return Cursor(shard, after)
        case _:
            raise Invalid(Problem("cursor", "not a cursor of this list"))
