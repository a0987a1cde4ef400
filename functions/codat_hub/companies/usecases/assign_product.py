"""Add a product to a company at Codat, never without a consent that covers it.

Codat's calls to add and remove take no idempotency key. They may arrive late, and may succeed
although no answer comes. So the hub writes its intent first, and reads the consent before the call
and again after it. While a call that adds may still arrive (`unsettled_until`), no removal counts
as finished.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import CallFailed, NotUnderstood, OutcomeUnknown, TryLater
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import covers
from codat_hub.companies.usecases.assignment_context import UNDER_WAY, consent_missing
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Conflict, Unavailable
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.companies.usecases.assignment_context import (
        Agreement,
        AssignmentContext,
    )
    from codat_hub.products.domain.product import Product

_BEING_CHANGED: Final = frozenset({AssignmentStatus.ADDING, AssignmentStatus.REMOVING})
# The hub knows of the product already, so this request adds nothing.
_KNOWN: Final = frozenset({AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED})
_REMOVED: Final = frozenset({AssignmentStatus.ABSENT, AssignmentStatus.REMOVING})


class AssignProduct:
    """Add a product to a company; a repeat changes nothing, or finishes the work.

    Raises Absent, Conflict (no covering consent, a migration, a removal under way), WrongClient,
    CallFailed, Unavailable.
    """

    def __init__(self, context: AssignmentContext) -> None:
        self._context = context
        self._remove = RemoveProduct(context)

    def __call__(self, company_id: str, product: str, by: str) -> Assignment:
        context = self._context
        registered = context.registered(product)
        context.refuse_during_migration(company_id, product)
        entry = self._covering(company_id, registered, by)
        context.check_client()
        products = context.products_at_codat(company_id)
        there = products is not None and product in products
        before, version = self._unless_being_removed(company_id, product)
        if there and before.status is AssignmentStatus.ASSIGNED and before.consent == entry.consent:
            return before
        now = context.now()
        intent = replace(
            before,
            status=AssignmentStatus.ADDING,
            changed_at=now,
            added_at=before.added_at if there and before.status in _KNOWN else now,
            changed_by=by,
            consent=entry.consent,
            unsettled_until=_later(before.unsettled_until, now + UNDER_WAY),
        )
        if not context.assignments.put(intent, version):
            # No `update`: the decision rests on Codat's answer, so the caller repeats all of it.
            raise Unavailable("another request changed this company's product at the same time")
        if not there:
            self._still_covering(before, intent, version + 1, registered)
            self._add_at_codat(before, intent, version + 1)
        return self._settle(before, version + 1, registered, by)

    def _covering(self, company_id: str, product: Product, by: str) -> ConsentEntry:
        """Return the newest consent, if it covers the product."""
        entry = self._context.ledger.newest(company_id, product.identifier)
        if entry is not None and covers(entry.consent, product):
            return entry
        current, _ = self._context.assignments.get(company_id, product.identifier)
        if current.status in _BEING_CHANGED:  # An earlier call may have added the product.
            self._remove.finish(company_id, product.identifier, by, "no consent covers it")
        raise consent_missing(company_id, product, entry)

    def _still_covering(
        self, before: Assignment, intent: Assignment, version: int, product: Product
    ) -> None:
        """Read the consent again now: a later revocation finds the intent and removes the product.

        Raises Conflict, with the intent taken back, if the consent no longer covers the product.
        """
        entry = self._context.ledger.newest(intent.company_id, intent.product)
        if entry is None or not covers(entry.consent, product):
            self._undo(before, intent, version)
            raise consent_missing(intent.company_id, product, entry)

    def _unless_being_removed(self, company_id: str, product: str) -> tuple[Assignment, int]:
        """Return the assignment and its version. Raises Conflict during a recent removal."""
        before, version = self._context.assignments.get(company_id, product)
        recent = before.changed_at and self._context.now() < before.changed_at + UNDER_WAY
        if before.status is AssignmentStatus.REMOVING and recent:
            raise Conflict(
                f"Product {product} is being removed from company {company_id}: "
                f"repeat the request in {UNDER_WAY.seconds} seconds."
            )
        return before, version

    def _add_at_codat(self, before: Assignment, intent: Assignment, version: int) -> None:
        try:
            self._context.codat.add_product(intent.company_id, intent.product)
        except CallFailed as failure:
            if _surely_not_done(failure):
                self._undo(before, intent, version)
            else:
                failure.add_note(
                    "Whether it was added is not known. Until it is, the product is `adding` and is"
                    " not refreshed. Repeat the request, or leave it to the nightly reconcile."
                )
            raise

    def _undo(self, before: Assignment, intent: Assignment, version: int) -> None:
        """Take the intent back; an earlier add that is unfinished stays `adding`."""
        adding = before.status is AssignmentStatus.ADDING
        status = AssignmentStatus.ADDING if adding else AssignmentStatus.ABSENT
        undone = replace(
            intent,
            status=status,
            unsettled_until=before.unsettled_until,
            added_at=before.added_at,
        )
        self._context.assignments.put(undone, version)

    def _settle(
        self, before: Assignment, intent_version: int, product: Product, by: str
    ) -> Assignment:
        """Record the product as assigned, unless it was removed or lost its consent meanwhile."""
        context, company_id, name = self._context, before.company_id, product.identifier

        def assigned(standing: Agreement) -> Assignment | None:
            if standing.assignment.status in _REMOVED or not standing.covers(product):
                return None
            # Only this call is known to have finished; keep another caller's deadline.
            only_ours = standing.version == intent_version
            until = before.unsettled_until if only_ours else standing.assignment.unsettled_until
            return replace(
                standing.with_consent(),
                status=AssignmentStatus.ASSIGNED,
                changed_at=context.now(),
                changed_by=by,
                unsettled_until=until,
            )

        standing, done = context.update(company_id, name, assigned)
        if done is not None:
            logger.info("product assigned", company_id=company_id, product=name, by=by)
            return done
        if standing.assignment.status in _REMOVED:
            self._remove.finish(company_id, name, by, "removed while it was being added")
            raise Conflict(
                f"Product {name} was removed from company {company_id} while it was being "
                "added, so it is not there now."
            )
        self._remove.finish(company_id, name, by, "consent gone while it was being added")
        raise consent_missing(company_id, product, standing.entry)


def _surely_not_done(failure: CallFailed) -> bool:
    """Tell whether Codat has not added the product and will not: it said so, or got no call."""
    match failure:
        case OutcomeUnknown() | NotUnderstood():
            return False
        case TryLater():
            return failure.status is None
        case _:
            return True


def _later(known: datetime | None, other: datetime) -> datetime:
    return other if known is None else max(known, other)
