"""Record what a customer agrees to, and take a product away when the customer no longer does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.companies.domain.assignment import Assignment, Status
from codat_hub.companies.domain.consent import Consent, ConsentEntry, covers, missing
from codat_hub.errors import Absent, Conflict, Invalid, Problem, Unavailable
from codat_hub.products.domain.product_rules import cut, is_shown
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.domain.new_company import Grant
    from codat_hub.companies.usecases.assignment_context import Pairs
    from codat_hub.companies.usecases.remove_product import RemoveProduct
    from codat_hub.products.domain.product import Product

_TRIES: Final = 10
LONGEST_REASON: Final = 500


class Ledger(Protocol):
    def newest(self, company_id: str, product: str) -> ConsentEntry | None: ...
    def entries(self, company_id: str) -> Sequence[ConsentEntry]: ...
    def append(self, company_id: str, entry: ConsentEntry) -> bool: ...


class Directory(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """`warnings`: the consent is recorded, and yet something about it is worth knowing."""

    consent: Consent
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """`assignment`: absent when the product is gone at Codat, `removing` while it may come back."""

    consent: Consent
    assignment: Assignment


class Consents:
    """Raises Invalid, Absent, Conflict, Unavailable; a revocation also WrongClient, CallFailed:

    then it is recorded and the refreshes are stopped, and repeating it takes the product away.
    """

    def __init__(
        self, ledger: Ledger, directory: Directory, pairs: Pairs, remove: RemoveProduct
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._pairs = pairs
        self._remove = remove

    def of(self, company_id: str) -> list[Consent]:
        """Return the newest consent to each product, revoked ones too."""
        newest = {one.consent.product: one.consent for one in self._ledger.entries(company_id)}
        return list(newest.values())

    def history(self, company_id: str) -> Sequence[ConsentEntry]:
        """Return every entry there ever was, by product, the oldest first."""
        return self._ledger.entries(company_id)

    def grant(self, company_id: str, product: str, grant: Grant, by: str) -> Recorded:
        """Record a consent; the same again changes nothing. It replaces the one before."""
        registered = self._pairs.registered(product)
        if problems := grant.problems():
            raise Invalid(*problems)
        self._refuse_unknown_company(company_id)
        consent = self._record(company_id, registered, grant, by)
        assignment = self._pairs.copy_consent(company_id, product)
        if not covers(assignment.consent, registered) and assignment.status in _HELD:
            # it was being added while a narrower consent came
            narrower = "the new consent does not cover it"
            self._remove.finish(company_id, product, by, narrower, "The consent")
        return Recorded(consent, tuple(_warnings(consent, registered)))

    def revoke(self, company_id: str, product: str, reason: str, by: str) -> Revoked:
        """Record that the customer no longer agrees, and take this product away, no other."""
        if not is_shown(reason, LONGEST_REASON):
            allowed = f"1 to {LONGEST_REASON} printable characters"
            raise Invalid(Problem("reason", "say why it is revoked", cut(reason), allowed))
        consent = self._record_revocation(company_id, product, reason, by)
        assignment = self._remove.finish(
            company_id, product, by, f"consent revoked: {reason}", "The revocation"
        )
        return Revoked(consent, assignment)

    def _record(self, company_id: str, product: Product, grant: Grant, by: str) -> Consent:
        for _ in range(_TRIES):
            entry = self._ledger.newest(company_id, product.identifier)
            if entry is not None and _same(entry.consent, grant):
                return entry.consent
            consent = Consent(
                product=product.identifier,
                granted_at=self._pairs.now(),
                granted_by=grant.granted_by,
                text_version=grant.text_version,
                data_types=grant.data_types,
            )
            self._refuse_narrowing(company_id, product, consent)
            number = 1 if entry is None else entry.number + 1
            if self._ledger.append(company_id, ConsentEntry(number, consent, by)):
                logger.info(
                    "consent recorded", company_id=company_id, product=consent.product, by=by
                )
                return consent
        raise Unavailable("others keep recording consents of this company at the same time")

    def _record_revocation(self, company_id: str, product: str, reason: str, by: str) -> Consent:
        for _ in range(_TRIES):
            entry = self._ledger.newest(company_id, product)
            if entry is None:
                raise Absent(f"Company {company_id} has no consent to product {cut(product)!r}.")
            if not entry.consent.active:
                return entry.consent
            consent = replace(entry.consent, revoked_at=self._pairs.now())
            revocation = ConsentEntry(entry.number + 1, consent, by, reason)
            if self._ledger.append(company_id, revocation):
                logger.info("consent revoked", company_id=company_id, product=product, by=by)
                return consent
        raise Unavailable("others keep recording consents of this company at the same time")

    def _refuse_narrowing(self, company_id: str, product: Product, consent: Consent) -> None:
        assignment, _ = self._pairs.assignments.get(company_id, product.identifier)
        if covers(consent, product) or assignment.status not in _HELD:
            return
        left_out = missing(consent, product)
        raise Conflict(
            f"Company {company_id} has product {product.identifier}, and this consent does not "
            "cover it. Record one that does, or revoke the consent to take the product away.",
            *(Problem("data_types", "not covered by the consent", one) for one in left_out),
        )

    def _refuse_unknown_company(self, company_id: str) -> None:
        company, version = self._directory.get(company_id)
        if company.deleted_at is not None:
            raise Absent(f"Company {company_id} was deleted at Codat.")
        if not version:  # perhaps its webhook is still on the way
            self._pairs.products_at_codat(company_id)


_HELD: Final = frozenset({Status.ADDING, Status.ASSIGNED, Status.STALE})


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
