"""Record a customer's consents, and remove a product when its consent is revoked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent, ConsentEntry, covers, missing
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.products.domain.product_rules import cut, is_shown
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codat_hub.companies.domain.new_company import Grant
    from codat_hub.companies.ports import Companies
    from codat_hub.companies.usecases.assignment_context import AssignmentContext
    from codat_hub.products.domain.product import Product
    from codat_hub.storage.update import Updated

LONGEST_REASON: Final = 500
_AT_CODAT: Final = frozenset(
    {AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED, AssignmentStatus.STALE}
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded consent, with sentences about it that a person should know."""

    consent: Consent
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revoked consent and its assignment.

    The assignment is absent, or `removing` while a call that adds the product may still arrive.
    """

    consent: Consent
    assignment: Assignment


class RecordConsents:
    """Grant, list and revoke consents. Raises Invalid, Absent, Conflict, Unavailable.

    A revocation also raises WrongClient and CallFailed. It is recorded then, and refreshes have
    stopped; a repeat removes the product.
    """

    def __init__(self, context: AssignmentContext, directory: Companies) -> None:
        self._context = context
        self._ledger = context.ledger
        self._directory = directory
        self._remove = RemoveProduct(context)

    def of(self, company_id: str) -> list[Consent]:
        """Return the newest consent to each product, revoked ones too."""
        return [entry.consent for entry in self._ledger.newest_of_each(company_id)]

    def history(
        self, company_id: str, after: tuple[str, int] | None = None, limit: int = 1000
    ) -> Sequence[ConsentEntry]:
        """Return a page of the ledger's entries, by product, the oldest first.

        after: product and number of the last entry of the page before
        """
        return self._ledger.entries(company_id, after, limit)

    def grant(
        self, company_id: str, product: str, grant: Grant, by: str, *, first_only: bool = False
    ) -> Recorded:
        """Record a consent, which replaces the one before; a repeat changes nothing.

        first_only: record it only if the ledger has no consent to this product, not even a revoked
            one; return the newest otherwise
        """
        registered = self._context.registered(product)
        if problems := grant.problems():
            raise Invalid(*problems)
        self._refuse_unknown_company(company_id)
        consent = self._record(company_id, registered, grant, by, first_only)
        assignment = self._context.copy_consent(company_id, product)
        if not covers(assignment.consent, registered) and assignment.status in _AT_CODAT:
            # Another request added the product while this narrower consent was recorded.
            narrower = "the new consent does not cover it"
            self._remove.finish(company_id, product, by, narrower, "The consent")
        return Recorded(consent, tuple(_warnings(consent, registered)))

    def revoke(self, company_id: str, product: str, reason: str, by: str) -> Revoked:
        """Record that the customer no longer agrees, and remove this product only."""
        if not is_shown(reason, LONGEST_REASON):
            allowed = f"1 to {LONGEST_REASON} printable characters"
            raise Invalid(Problem("reason", "say why it is revoked", cut(reason), allowed))
        consent = self._record_revocation(company_id, product, reason, by)
        assignment = self._remove.finish(
            company_id, product, by, f"consent revoked: {reason}", "The revocation"
        )
        return Revoked(consent, assignment)

    def _record(
        self, company_id: str, product: Product, grant: Grant, by: str, first_only: bool
    ) -> Consent:
        def granted(newest: ConsentEntry | None) -> ConsentEntry | None:
            if newest is not None and (first_only or _same(newest.consent, grant)):
                return None
            consent = Consent(
                product=product.identifier,
                granted_at=self._context.now(),
                granted_by=grant.granted_by,
                text_version=grant.text_version,
                data_types=grant.data_types,
            )
            self._refuse_narrowing(company_id, product, consent)
            return ConsentEntry(1 if newest is None else newest.number + 1, consent, by)

        newest, entry = self._append(
            company_id, lambda: self._ledger.newest(company_id, product.identifier), granted
        )
        if entry is None:
            return newest.consent  # type: ignore[union-attr]  # without one, it is recorded
        logger.info("consent recorded", company_id=company_id, product=product.identifier, by=by)
        return entry.consent

    def _record_revocation(self, company_id: str, product: str, reason: str, by: str) -> Consent:
        def read() -> ConsentEntry:
            newest = self._ledger.newest(company_id, product)
            if newest is None:
                raise Absent(f"Company {company_id} has no consent to product {cut(product)!r}.")
            return newest

        def revoked(newest: ConsentEntry) -> ConsentEntry | None:
            if not newest.consent.active:
                return None
            consent = replace(newest.consent, revoked_at=self._context.now())
            return ConsentEntry(newest.number + 1, consent, by, reason)

        newest, entry = self._append(company_id, read, revoked)
        if entry is None:
            return newest.consent
        logger.info("consent revoked", company_id=company_id, product=product, by=by)
        return entry.consent

    def _append[Newest](
        self,
        company_id: str,
        read: Callable[[], Newest],
        change: Callable[[Newest], ConsentEntry | None],
    ) -> Updated[Newest, ConsentEntry]:
        """Append an entry that follows the newest one, as `update` changes a value."""

        def append(entry: ConsentEntry, _version: None) -> bool:
            return self._ledger.append(company_id, entry)

        return update(lambda: (read(), None), change, append, "the consents of this company")

    def _refuse_narrowing(self, company_id: str, product: Product, consent: Consent) -> None:
        """Raise Conflict for a consent that does not cover a product that Codat may have."""
        assignment, _ = self._context.assignments.get(company_id, product.identifier)
        if covers(consent, product) or assignment.status not in _AT_CODAT:
            return
        raise Conflict(
            f"Company {company_id} has product {product.identifier}, and this consent does not "
            "cover it. Record one that does, or revoke the consent, which removes the product: "
            f"`tools/hub consents revoke {company_id} {product.identifier}`.",
            *(
                Problem("data_types", "not covered by the consent", data_type)
                for data_type in missing(consent, product)
            ),
        )

    def _refuse_unknown_company(self, company_id: str) -> None:
        """Raise Absent for a company that was deleted, or that Codat does not know."""
        company, version = self._directory.get(company_id)
        if company.deleted_at is not None:
            raise Absent(f"Company {company_id} was deleted at Codat.")
        if not version:  # Its webhook may still be on the way.
            self._context.products_at_codat(company_id)


def _same(consent: Consent, grant: Grant) -> bool:
    return consent.active and (consent.granted_by, consent.text_version, consent.data_types) == (
        grant.granted_by,
        grant.text_version,
        grant.data_types,
    )


def _warnings(consent: Consent, product: Product) -> list[str]:
    found = []
    if left_out := missing(consent, product):
        found.append(
            f"It does not cover {', '.join(left_out)}: {product.identifier} cannot be added."
        )
    wanted = product.consent_text_version
    if wanted is not None and consent.text_version != wanted:
        found.append(f"It is to text version {consent.text_version}; customers now see {wanted}.")
    return found
