"""The routes of /companies/{id}/consents: a customer's consents, product by product."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel

from codat_hub.api.fields import (
    LONGEST,
    CompanyId,
    GrantFields,
    ProductId,
    not_a_cursor,
    seal,
    unseal,
)
from codat_hub.api.problems import CALLS_CODAT
from codat_hub.api.resource import Resource
from codat_hub.api.routes.assignments import AssignmentAnswer, assignment_answer

if TYPE_CHECKING:
    from codat_hub.companies.domain.consent import Consent, ConsentEntry

routes: Final = Resource("consents")


class ConsentAnswer(BaseModel):
    """A customer's consent to a product. `warnings`: why it may not be enough for the product."""

    product: str
    granted_at: datetime
    granted_by: str
    text_version: str
    data_types: list[str]
    revoked_at: datetime | None = None
    warnings: list[str] = []

    @classmethod
    def of(cls, consent: Consent, warnings: tuple[str, ...] = ()) -> ConsentAnswer:
        return cls(**asdict(consent), warnings=list(warnings))


class ConsentEvent(BaseModel):
    """An entry of the consent ledger. `by`: the caller's ARN. `reason`: of a revocation."""

    number: int
    by: str
    reason: str | None = None
    consent: ConsentAnswer

    @classmethod
    def of(cls, entry: ConsentEntry) -> ConsentEvent:
        consent = ConsentAnswer.of(entry.consent)
        return cls(number=entry.number, by=entry.by, reason=entry.reason, consent=consent)


class ConsentList(BaseModel):
    """The consents of a company.

    `consents`: the newest of each product; empty on a later page of the history. `history`: the
    entries, by product, the oldest first, with `history=true` only. `next_cursor`: of the history;
    null on its last page.
    """

    consents: list[ConsentAnswer]
    history: list[ConsentEvent] | None = None
    next_cursor: str | None = None


@routes.get("/companies/<company_id>/consents", "List the consents of a company's customer")
def list_consents(
    company_id: CompanyId,
    history: Annotated[bool, Query()] = False,
    limit: Annotated[int, Query(ge=1, le=200, description="entries of the history")] = 200,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> ConsentList:
    consents = routes.hub.consents
    newest = consents.of(company_id) if cursor is None else []
    entries = consents.history(company_id, _unseal(cursor), limit + 1) if history else []
    page, more = entries[:limit], len(entries) > limit
    return ConsentList(
        consents=[ConsentAnswer.of(consent) for consent in newest],
        history=[ConsentEvent.of(entry) for entry in page] if history else None,
        next_cursor=seal(page[-1].consent.product, page[-1].number) if more else None,
    )


def _unseal(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    match unseal(cursor):
        case [str() as product, int() as number] if 0 <= number < 10**8:
            return product, number
        case _:
            raise not_a_cursor(cursor)


@routes.put("/companies/<company_id>/consents/<product>", "Record a consent", *CALLS_CODAT)
def grant_consent(
    company_id: CompanyId, product: ProductId, body: Annotated[GrantFields, Body()]
) -> ConsentAnswer:
    consents = routes.hub.consents
    recorded = consents.grant(company_id, product, body.grant(), routes.caller)
    return ConsentAnswer.of(recorded.consent, recorded.warnings)


@routes.delete(
    "/companies/<company_id>/consents/<product>",
    "Revoke a consent and remove its product at Codat; other products stay",
    *CALLS_CODAT,
    success={
        200: "Revoked, and the product is removed.",
        202: "Revoked. An earlier call may still add the product: repeat after `Retry-After`.",
    },
)
def revoke_consent(
    company_id: CompanyId,
    product: ProductId,
    reason: Annotated[
        str, Query(min_length=1, max_length=LONGEST, description="why the consent is revoked")
    ],
) -> Response[AssignmentAnswer]:
    consents = routes.hub.consents
    return assignment_answer(consents.revoke(company_id, product, reason, routes.caller).assignment)
