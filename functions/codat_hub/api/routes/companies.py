"""The routes of /companies: create a company, list companies, show one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel, Field

from codat_hub.api.fields import (
    LONGEST,
    CompanyId,
    GrantFields,
    IdempotencyKey,
    RequestModel,
    seal_place,
    unseal_place,
)
from codat_hub.api.problems import CALLS_CODAT
from codat_hub.api.queries.companies import CompanyFilter
from codat_hub.api.resource import Resource
from codat_hub.api.routes.assignments import AssignmentAnswer
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.new_company import CreatedCompany, NewCompany
from codat_hub.errors import Invalid, Problem

if TYPE_CHECKING:
    from codat_hub.api.queries.companies import CompanyView
    from codat_hub.companies.domain.company import Company

routes: Final = Resource("companies")
_JSON: Final = "application/json"


class NewCompanyFields(RequestModel):
    """A company to create.

    `products`: the products to add to it. `consents`: by product, the consents that the customer
    has given already; the hub records them before it adds the products.
    """

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
            consents={product: consent.grant() for product, consent in self.consents.items()},
        )


class ProductOutcomeAnswer(BaseModel):
    """The result for one product.

    `status`: assigned; refused, and `detail` says why; failed, so repeat the request.
    """

    product: str
    status: str
    detail: str | None = None


class CreatedCompanyAnswer(BaseModel):
    """A created company.

    `complete`: false while a requested product is not assigned. Correct what its `detail` says,
    then repeat the request with the same `Idempotency-Key`. `link_url`: Codat's link with which
    the customer authorises a connection.
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
            products=[ProductOutcomeAnswer(**asdict(outcome)) for outcome in created.products],
        )


class ConnectionAnswer(BaseModel):
    """A connection of a company to an accounting platform, as Codat last reported it."""

    connection_id: str
    status: str
    integration: str | None = None
    source_type: str | None = None


class CompanyAnswer(BaseModel):
    """A company. `linked`: a connection can sync. `products`: as Codat last reported them."""

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
    """A page of companies.

    `next_cursor`: null on the last page. An earlier page may hold fewer than `limit` companies.
    """

    companies: list[CompanyAnswer]
    next_cursor: str | None


class CompanyDetails(CompanyAnswer):
    """A company with its assignments.

    `last_read_at`: the last read that was not for a custom product.
    """

    assignments: list[AssignmentAnswer]
    last_read_at: datetime | None = None

    @classmethod
    def of_view(cls, view: CompanyView) -> CompanyDetails:
        assignments = [
            AssignmentAnswer.of(assignment, view.reads.get(assignment.product))
            for assignment in view.assignments
        ]
        return cls(
            **_company(view.company), assignments=assignments, last_read_at=view.reads.get(None)
        )


@routes.post(
    "/companies",
    "Create a company, with products",
    422,
    *CALLS_CODAT,
    success={201: "Created; `complete` says whether every product is assigned."},
)
def create_company(
    body: Annotated[NewCompanyFields, Body()],
    idempotency_key: IdempotencyKey = None,
) -> CreatedCompanyAnswer:
    created = routes.hub.create_company(body.company(), idempotency_key, routes.caller)
    return CreatedCompanyAnswer.of(created)


@routes.get("/companies", "List companies")
def list_companies(  # noqa: PLR0917  # one argument is one query parameter
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
    product: Annotated[str | None, Query(description="only companies with this product")] = None,
    status: Annotated[
        AssignmentStatus | None, Query(description="the status of the product's assignment")
    ] = None,
    linked: Annotated[
        bool | None,
        Query(description="only companies with, or without, a connection that can sync"),
    ] = None,
    name: Annotated[str | None, Query(description="a part of the company's name")] = None,
    deleted: Annotated[bool, Query(description="also companies that are deleted at Codat")] = False,
) -> CompanyPage:
    if status is not None and product is None:
        raise Invalid(Problem("status", "needs a product: name the product too", status))
    wanted = CompanyFilter(product or None, status, linked, name, deleted)
    page = routes.hub.companies.page(wanted, unseal_place(cursor), limit)
    companies = [CompanyAnswer.of(company) for company in page.companies]
    return CompanyPage(companies=companies, next_cursor=seal_place(page.following))


@routes.get("/companies/<company_id>", "Show one company")
def show_company(company_id: CompanyId) -> CompanyDetails:
    return CompanyDetails.of_view(routes.hub.companies.show(company_id))


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
                status=connection.status,
                integration=connection.integration,
                source_type=connection.source_type,
            )
            for connection_id, connection in company.connections.items()
        ],
    }
