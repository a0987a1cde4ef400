"""The routes below /companies/{id}/products: add a product to a company, or remove it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from codat_hub.api.fields import LONGEST, CompanyId, ProductId
from codat_hub.api.problems import CALLS_CODAT
from codat_hub.api.resource import Resource
from codat_hub.companies.domain.assignment import AssignmentStatus

if TYPE_CHECKING:
    from codat_hub.companies.domain.assignment import Assignment

routes: Final = Resource("companies")
_JSON: Final = "application/json"


class AssignmentAnswer(BaseModel):
    """A product on a company.

    `status`: `stale` means that Codat answered with 404; the next reconcile settles it.
    `changed_by`: the ARN of the caller, or the part of the hub that made the change.
    """

    product: str
    status: AssignmentStatus
    changed_at: datetime | None = None
    changed_by: str | None = None
    consent_active: bool
    last_read_at: datetime | None = None

    @classmethod
    def of(cls, assignment: Assignment, last_read_at: datetime | None = None) -> AssignmentAnswer:
        return cls(
            product=assignment.product,
            status=assignment.status,
            changed_at=assignment.changed_at,
            changed_by=assignment.changed_by,
            consent_active=assignment.consent is not None and assignment.consent.active,
            last_read_at=last_read_at,
        )


def assignment_answer(assignment: Assignment) -> Response[AssignmentAnswer]:
    """Return 200, or 202 with `Retry-After` while an earlier call may still add the product."""
    body, until = AssignmentAnswer.of(assignment), assignment.unsettled_until
    if assignment.status is not AssignmentStatus.REMOVING or until is None:
        return Response(200, _JSON, body)
    wait = max(1, int((until - datetime.now(UTC)).total_seconds()) + 1)
    return Response(202, _JSON, body, headers={"Retry-After": str(wait)})


@routes.put(
    "/companies/<company_id>/products/<product>",
    "Add a product to a company, if a consent covers it",
    *CALLS_CODAT,
)
def add_product(company_id: CompanyId, product: ProductId) -> AssignmentAnswer:
    assigned = routes.hub.assign_product(company_id, product, by=routes.caller)
    return AssignmentAnswer.of(assigned)


@routes.delete(
    "/companies/<company_id>/products/<product>",
    "Remove a product from a company; its consent stays",
    *CALLS_CODAT,
    success={
        200: "The product is removed.",
        202: "An earlier call may still add the product: repeat after `Retry-After`.",
    },
)
def remove_product(
    company_id: CompanyId,
    product: ProductId,
    reason: Annotated[str, Query(max_length=LONGEST)] = "removed by request",
) -> Response[AssignmentAnswer]:
    removed = routes.hub.remove_product(company_id, product, by=routes.caller, reason=reason)
    return assignment_answer(removed)
