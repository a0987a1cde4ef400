"""Remove one product from a company at Codat, and leave the others alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.codat.errors import CallFailed, NotFound, NotUnderstood, WrongClient
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.usecases.assignment_context import TRIES, contended
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from codat_hub.companies.usecases.assignment_context import AssignmentContext


class RemoveProduct:
    """Remove one product from a company and leave the others alone; it may be gone already.

    The assignment returned is absent, or `removing` when a call that adds may still arrive: then
    repeat the request after `unsettled_until`. Raises Absent, Conflict, WrongClient, CallFailed,
    Unavailable.
    """

    def __init__(self, pairs: AssignmentContext) -> None:
        self._pairs = pairs

    def __call__(self, company_id: str, product: str, by: str, reason: str) -> Assignment:
        self._pairs.refuse_during_migration(company_id, product)
        self._pairs.check_client()
        _, version = self._pairs.assignments.get(company_id, product)
        if not version:
            self._pairs.registered(product)
            self._pairs.products_at_codat(company_id)
        return self.finish(company_id, product, by, reason)

    def stop(self, company_id: str, product: str, by: str, reason: str) -> Assignment:
        """Write the intent and end its refreshes at once, whatever Codat does. No call is made."""
        for _ in range(TRIES):
            before, version = self._pairs.assignments.get(company_id, product)
            entry = self._pairs.ledger.newest(company_id, product)
            intent = replace(
                before,
                status=AssignmentStatus.REMOVING,
                changed_at=self._pairs.now(),
                changed_by=by,
                consent=None if entry is None else entry.consent,
            )
            if self._pairs.assignments.put(intent, version):
                self._pairs.refreshes.cancel(company_id, product, reason)
                return intent
        raise contended()

    def finish(
        self, company_id: str, product: str, by: str, reason: str, recorded: str = "The removal"
    ) -> Assignment:
        """Remove it whatever a migration does: for a consent that is gone.

        A failure at Codat carries a note that what was `recorded` holds all the same.
        """
        self.stop(company_id, product, by, reason)
        try:
            self._pairs.check_client()
            looked_at = self._pairs.now()
            self._take_away(company_id, product)
        except (CallFailed, WrongClient) as failure:
            failure.add_note(
                f"{recorded} is recorded, and no refresh is asked for from now on. Codat may still"
                " have the product: repeat the request when the cause is mended, or leave it to"
                " the nightly reconcile."
            )
            raise
        for _ in range(TRIES):
            current, version = self._pairs.assignments.get(company_id, product)
            if current.status is not AssignmentStatus.REMOVING:
                return current  # somebody adds it anew, or was faster
            if current.unsettled_until is not None and looked_at < current.unsettled_until:
                return current
            gone = replace(
                current,
                status=AssignmentStatus.ABSENT,
                changed_at=self._pairs.now(),
                unsettled_until=None,
            )
            if self._pairs.assignments.put(gone, version):
                logger.info(
                    "product removed", company_id=company_id, product=product, by=by, reason=reason
                )
                return gone
        raise contended()

    def _take_away(self, company_id: str, product: str) -> None:
        """Return when Codat shows the company without the product."""
        if not self._is_there(company_id, product):
            return
        try:
            self._pairs.codat.remove_product(company_id, product)
        except NotFound as failure:  # gone already, or another 404 (docs/codat.md, C57)
            if self._is_there(company_id, product):
                raise NotUnderstood(
                    f"Codat answers 404 and still shows the product: {failure.error}",
                    status=failure.status,
                    call=failure.call,
                    correlation_id=failure.correlation_id,
                ) from failure

    def _is_there(self, company_id: str, product: str) -> bool:
        try:
            held = self._pairs.codat.company(company_id).products
        except NotFound:
            return False
        return held is None or product in held
