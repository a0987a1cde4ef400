"""/companies/{id}/products: add and remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from codat_hub.api.fields import LONGEST, CompanyId, ProductId
from codat_hub.api.hub import caller_of, hub_of, new_router
from codat_hub.api.problems import CALLS_CODAT, answers
from codat_hub.companies.domain.assignment import Status

if TYPE_CHECKING:
    from codat_hub.companies.domain.assignment import Assignment

router: Final = new_router()
_TAGS: Final = ["companies"]
_JSON: Final = "application/json"


class AssignmentAnswer(BaseModel):
    """`status`: absent, adding, assigned, removing or stale. `changed_by`: an ARN."""

    product: str
    status: Status
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
    """Return 200, or 202 with `Retry-After` for a removal that is not sure to be over yet."""
    body, until = AssignmentAnswer.of(assignment), assignment.unsettled_until
    if assignment.status is not Status.REMOVING or until is None:
        return Response(200, _JSON, body)
    wait = max(1, int((until - datetime.now(UTC)).total_seconds()) + 1)
    return Response(202, _JSON, body, headers={"Retry-After": str(wait)})


@router.put(
    "/companies/<company_id>/products/<product>",
    summary="Add a product, if a consent covers it",
    tags=_TAGS,
    responses=answers(*CALLS_CODAT),
    operation_id="add_product",
)
def add_product(company_id: CompanyId, product: ProductId) -> AssignmentAnswer:
    assigned = hub_of(router).assign_product(company_id, product, by=caller_of(router))
    return AssignmentAnswer.of(assigned)


@router.delete(
    "/companies/<company_id>/products/<product>",
    summary="Remove a product; its consent stays",
    tags=_TAGS,
    responses=answers(
        *CALLS_CODAT,
        success={
            200: "The product is gone.",
            202: "Repeat the request after `Retry-After` to be sure that it is gone.",
        },
    ),
    operation_id="remove_product",
)
def remove_product(
    company_id: CompanyId,
    product: ProductId,
    reason: Annotated[str, Query(max_length=LONGEST)] = "removed by request",
) -> Response[AssignmentAnswer]:
    removed = hub_of(router).remove_product(
        company_id, product, by=caller_of(router), reason=reason
    )
    return assignment_answer(removed)
