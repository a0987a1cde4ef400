"""Remove one product from a company at Codat, and leave the company's other products alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.codat.errors import CallFailed, NotFound, NotUnderstood, WrongClient
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.usecases.assignment_context import (
        Agreement,
        AssignmentContext,
    )
    from codat_hub.storage.update import Updated


class RemoveProduct:
    """Remove one product from a company; it may be gone already.

    The assignment returned is absent. While a call that adds the product may still arrive, it is
    `removing`: then repeat the request after `unsettled_until`. Raises Absent, Conflict,
    WrongClient, CallFailed, Unavailable.
    """

    def __init__(self, context: AssignmentContext) -> None:
        self._context = context

    def __call__(self, company_id: str, product: str, by: str, reason: str) -> Assignment:
        context = self._context
        context.refuse_during_migration(company_id, product)
        context.check_client()
        _, version = context.assignments.get(company_id, product)
        if not version:
            context.registered(product)
            context.products_at_codat(company_id)
        return self.finish(company_id, product, by, reason)

    def stop(self, company_id: str, product: str, by: str, reason: str) -> None:
        """Record that the product is to go, and end its refreshes, without a call to Codat."""
        context = self._context

        def removing(standing: Agreement) -> Assignment:
            now = context.now()
            return replace(
                standing.with_consent().with_removal(now),
                status=AssignmentStatus.REMOVING,
                changed_at=now,
                changed_by=by,
            )

        context.update(company_id, product, removing)
        context.refreshes.cancel(company_id, product, reason)

    def finish(
        self, company_id: str, product: str, by: str, reason: str, recorded: str = "The removal"
    ) -> Assignment:
        """Remove the product even during a migration, because its consent has ended.

        recorded: the subject of the note that a failure at Codat carries: it holds all the same
        """
        context = self._context
        self.stop(company_id, product, by, reason)
        try:
            context.check_client()
            looked_at = context.now()
            self._remove_at_codat(company_id, product)
        except (CallFailed, WrongClient) as failure:
            failure.add_note(
                f"{recorded} is recorded, and no refresh is asked for from now on. Codat may still"
                " have the product: repeat the request when the cause is repaired, or leave it to"
                " the nightly reconcile."
            )
            raise
        current, gone = self._settle(company_id, product, looked_at)
        if gone is None:
            return current
        # not the reason: a person wrote it, and it may name people
        logger.info("product removed", company_id=company_id, product=product, by=by)
        return gone

    def _settle(
        self, company_id: str, product: str, looked_at: datetime
    ) -> Updated[Assignment, Assignment]:
        """Record the product as absent, unless a call that adds it may still arrive."""
        context = self._context

        def gone(current: Assignment) -> Assignment | None:
            if current.status is not AssignmentStatus.REMOVING:
                return None  # Another request adds the product again, or has finished the removal.
            if current.unsettled_until is not None and looked_at < current.unsettled_until:
                return None
            return replace(
                current,
                status=AssignmentStatus.ABSENT,
                changed_at=context.now(),
                unsettled_until=None,
            )

        return update(
            lambda: context.assignments.get(company_id, product),
            gone,
            context.assignments.put,
            "this company's product",
        )

    def _remove_at_codat(self, company_id: str, product: str) -> None:
        """Return when Codat shows the company without the product."""
        if not self._is_there(company_id, product):
            return
        try:
            self._context.codat.remove_product(company_id, product)
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
            products = self._context.codat.company(company_id).products
        except NotFound:
            return False
        return products is None or product in products
