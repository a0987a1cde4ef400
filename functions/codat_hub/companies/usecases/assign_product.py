"""Add a product to a company at Codat: never one without a covering consent.

Codat's calls carry no idempotency key, may arrive late, and may have happened although no answer
came. So the intent is written first; the consent is looked at before the call and again after it;
and while a call that adds may still be under way (`unsettled_until`), no removal is called done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.codat.errors import CallFailed, NotUnderstood, OutcomeUnknown, TryLater
from codat_hub.companies.domain.assignment import Assignment, Status
from codat_hub.companies.domain.consent import covers
from codat_hub.companies.usecases.assignment_context import (
    TRIES,
    UNDER_WAY,
    consent_missing,
    contended,
)
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Conflict
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.companies.usecases.assignment_context import Pairs
    from codat_hub.products.domain.product import Product


class AssignProduct:
    """Add a product to a company; doing it again changes nothing, or finishes it.

    Raises Absent, Conflict (no covering consent, a migration, a removal under way), WrongClient,
    CallFailed, Unavailable.
    """

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._remove = RemoveProduct(pairs)

    def __call__(self, company_id: str, product: str, by: str) -> Assignment:
        pairs = self._pairs
        registered = pairs.registered(product)
        pairs.refuse_during_migration(company_id, product)
        entry = self._covering(company_id, registered, by)
        pairs.check_client()
        held = pairs.products_at_codat(company_id)
        there = held is not None and product in held
        before, version = self._unless_being_removed(company_id, product)
        if there and before.status is Status.ASSIGNED and before.consent == entry.consent:
            return before
        intent = replace(
            before,
            status=Status.ADDING,
            changed_at=pairs.now(),
            changed_by=by,
            consent=entry.consent,
            unsettled_until=_later(before.unsettled_until, pairs.now() + UNDER_WAY),
        )
        if not pairs.assignments.put(intent, version):
            raise contended()
        if not there:
            self._still_covering(before, intent, version + 1, registered)
            self._call(before, intent, version + 1)
        return self._settle(before, version + 1, registered, by)

    def _covering(self, company_id: str, product: Product, by: str) -> ConsentEntry:
        entry = self._pairs.ledger.newest(company_id, product.identifier)
        if entry is not None and covers(entry.consent, product):
            return entry
        current, _ = self._pairs.assignments.get(company_id, product.identifier)
        if current.status in {Status.ADDING, Status.REMOVING}:  # what was begun may be at Codat
            self._remove.finish(company_id, product.identifier, by, "no consent covers it")
        raise consent_missing(company_id, product, entry)

    def _still_covering(
        self, before: Assignment, intent: Assignment, version: int, product: Product
    ) -> None:
        """Look again behind the intent: a consent revoked from here on finds the intent."""
        entry = self._pairs.ledger.newest(intent.company_id, intent.product)
        if entry is None or not covers(entry.consent, product):
            self._undo(before, intent, version)
            raise consent_missing(intent.company_id, product, entry)

    def _unless_being_removed(self, company_id: str, product: str) -> tuple[Assignment, int]:
        before, version = self._pairs.assignments.get(company_id, product)
        recent = before.changed_at and self._pairs.now() < before.changed_at + UNDER_WAY
        if before.status is Status.REMOVING and recent:
            raise Conflict(
                f"Product {product} is being removed from company {company_id}: "
                f"repeat the request in {UNDER_WAY.seconds} seconds."
            )
        return before, version

    def _call(self, before: Assignment, intent: Assignment, version: int) -> None:
        pairs = self._pairs
        try:
            pairs.codat.add_product(intent.company_id, intent.product)
        except CallFailed as failure:
            if _surely_not_done(failure):
                self._undo(before, intent, version)
            else:
                failure.add_note(
                    "Whether it was added is not known; until it is, the product is `adding` and is"
                    " not refreshed. Repeat the request, or leave it to the nightly reconcile."
                )
            raise

    def _undo(self, before: Assignment, intent: Assignment, version: int) -> None:
        """Take the intent back: nothing came of it. An earlier unfinished add stays one."""
        status = before.status if before.status is Status.ADDING else Status.ABSENT
        undone = replace(intent, status=status, unsettled_until=before.unsettled_until)
        self._pairs.assignments.put(undone, version)

    def _settle(self, before: Assignment, own: int, product: Product, by: str) -> Assignment:
        """Call it assigned, if the consent still covers it and nobody removed it meanwhile."""
        pairs, company_id, name = self._pairs, before.company_id, product.identifier
        for _ in range(TRIES):
            current, version = pairs.assignments.get(company_id, name)
            entry = pairs.ledger.newest(company_id, name)
            if current.status in {Status.ABSENT, Status.REMOVING}:
                self._remove.finish(company_id, name, by, "removed while it was being added")
                raise Conflict(
                    f"Product {name} was removed from company {company_id} while it was being "
                    "added, so it is not there now."
                )
            if entry is None or not covers(entry.consent, product):
                self._remove.finish(company_id, name, by, "consent gone while it was being added")
                raise consent_missing(company_id, product, entry)
            # only of our own call do we know that it is over
            unsettled = before.unsettled_until if version == own else current.unsettled_until
            done = replace(
                current,
                status=Status.ASSIGNED,
                changed_at=pairs.now(),
                changed_by=by,
                consent=entry.consent,
                unsettled_until=unsettled,
            )
            if pairs.assignments.put(done, version):
                logger.info("product assigned", company_id=company_id, product=name, by=by)
                return done
        raise contended()


def _surely_not_done(failure: CallFailed) -> bool:
    """Tell whether Codat has not added it, and will not: an answer said so, or nothing was sent."""
    match failure:
        case OutcomeUnknown() | NotUnderstood():
            return False
        case TryLater():
            return failure.status is None
        case _:
            return True


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
