"""Check a page of Codat's companies against the directory and the assignments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from zlib import crc32

from codat_hub.codat.errors import CallFailed, RateLimited, Unauthorized
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import LINKED, Company
from codat_hub.errors import Conflict
from codat_hub.products.domain.product import ProductKind
from codat_hub.reconcile.domain.assignment_comparison import Repair, judge
from codat_hub.reconcile.domain.company_comparison import BY, CompanyComparison, compare, seen_at
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Integration, Phase, StepOutcome
from codat_hub.reconcile.domain.vanished import REFUSED
from codat_hub.reconcile.usecases.reconcile_step import Finding, Questions, StepFindings
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from codat_hub.companies.ports import Assignments, Companies, Consents
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.reconcile.domain.observed import ObservedCompany, ObservedPage
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
    from codat_hub.reconcile.ports import ObservedCodat
    from codat_hub.storage.found import Found
    from codat_hub.storage.update import Updated

OVERRIDES_A_RUN: Final = 200  # one call each; companies of a larger client take turns


@dataclass(frozen=True)
class CheckCompanies:
    """A step for each page of Codat's companies. The cursor is the page's number.

    remove: removes a product at Codat; its arguments are company, product, by and reason
    Only the hub's own side is repaired, with one exception: a removal that a person started is
    finished at Codat. An item that cannot be read is not compared.
    """

    codat: ObservedCodat
    companies: Companies
    assignments: Assignments
    consents: Consents
    registry: Products
    remove: Callable[[str, str, str, str], Assignment]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self, run: ReconcileRun) -> StepFindings:
        before, number = self.codat.calls, int(run.cursor or 1)
        page = self.codat.companies(number)
        products = self.registry.products()
        ids = tuple(company.company_id for company in page.companies)
        known = self.companies.get_many(ids)
        findings = [*self._directory(page, known), *self._assignments(page, known, products)]
        refused = {
            drift.company_id for found in findings for drift in found.drift if _is_stale(drift)
        }
        findings += _unreadable(number, page)
        with_custom = [company for company in page.companies if _has_custom(company, products)]
        overrides, read = self._overrides(run, with_custom)
        outcome = StepOutcome(
            Phase.COMPANIES if page.has_next else Phase.DIRECTORY,
            str(number + 1) if page.has_next else None,
            {
                "companies": len(page.companies) + len(page.unreadable),
                "not_told": sum(map(_hides_something, page.companies)),
                "with_custom": len(with_custom),
                "overrides_read": read,
                REFUSED: len(refused),
                "codat_calls": self.codat.calls - before,
            },
            _integrations(page.companies),
            _unregistered(page.companies, products),
            {} if page.total is None else {"companies_at_codat": page.total},
        )
        findings += [*overrides, *([] if page.has_next else _at_the_end(run, outcome))]
        unread = (company.company_id for company in page.unreadable)
        return StepFindings(outcome, tuple(findings), (*ids, *filter(None, unread)))

    def _directory(self, page: ObservedPage, known: Found[str, Company]) -> Iterator[Finding]:
        for theirs in page.companies:
            if theirs.company_id in known.unreadable:
                continue
            ours = known.get(theirs.company_id)
            # Only a difference costs the read of the company's assignments.
            if not compare(ours, theirs, page.asked_at).drift:
                continue
            comparison = self._compare(ours, theirs, page.asked_at)
            if comparison.drift:
                repair = partial(self._repair_entry, theirs, page.asked_at)
                yield Finding(comparison.drift, repair)

    def _compare(
        self, ours: Company | None, theirs: ObservedCompany, asked_at: datetime
    ) -> CompanyComparison:
        products = {*(theirs.products or ()), *(ours.products if ours else ())}
        pairs = [(theirs.company_id, product) for product in sorted(products)]
        return compare(ours, theirs, asked_at, self.assignments.get_many(pairs).values())

    def _repair_entry(self, theirs: ObservedCompany, asked_at: datetime) -> bool:
        """Take Codat's word over into the directory; a deleted entry stays deleted."""

        def read() -> tuple[Company | None, int]:
            ours, version = self.companies.get(theirs.company_id)
            return (ours if version else None), version

        def as_codat_has_it(ours: Company | None) -> Company | None:
            entry = self._compare(ours, theirs, asked_at).entry
            return None if entry == (ours or Company(theirs.company_id)) else entry

        what = f"company {theirs.company_id}"
        updated: Updated[Company | None, Company] = update(
            read, as_codat_has_it, self.companies.put, what
        )
        entry = updated.after or updated.before
        return entry is not None and entry.deleted_at is None

    def _assignments(
        self,
        page: ObservedPage,
        known: Mapping[str, Company],
        products: Mapping[str, Product],
    ) -> Iterator[Finding]:
        listed = [company for company in page.companies if company.products is not None]
        pairs = [
            (company.company_id, product)
            for company in listed
            for product in _possible_products(company, known, products)
        ]
        ours = self.assignments.get_many(pairs)
        at_codat = {
            (company.company_id, product)
            for company in listed
            for product in company.products or ()
        }
        for pair in pairs:
            if pair in ours.unreadable:
                continue
            verdict = judge(
                ours.get(pair, Assignment(*pair)),
                products.get(pair[1]),
                at_codat=pair in at_codat,
                asked_at=page.asked_at,
            )
            # an unregistered product is reported once, at the end, and not for each company
            if verdict and verdict.drift.kind is not DriftKind.PRODUCT_UNREGISTERED:
                product = products.get(pair[1])
                repair = verdict.repair and partial(
                    self._repair_assignment, pair, verdict.repair, product, page.asked_at
                )
                yield Finding((verdict.drift,), repair)

    def _repair_assignment(
        self, pair: tuple[str, str], wanted: Repair, product: Product | None, asked_at: datetime
    ) -> bool:
        """Repair an assignment if the verdict still holds; the ledger decides about consent.

        Losing a race means that the assignment has just changed, so the next run looks again.
        """
        ours, version = self.assignments.get(*pair)
        if wanted is Repair.ASSIGN:
            entry = self.consents.newest(*pair)
            ours = replace(ours, consent=None if entry is None else entry.consent)
        again = judge(ours, product, at_codat=wanted is not Repair.CLEAR, asked_at=asked_at)
        if again is None or again.repair is not wanted:
            return False
        if wanted is Repair.REMOVE:
            return self._finish_removal(*pair)
        assigned = wanted is Repair.ASSIGN
        settled = replace(
            ours,
            status=AssignmentStatus.ASSIGNED if assigned else AssignmentStatus.ABSENT,
            changed_at=self.now(),
            changed_by=BY,
            unsettled_until=None,
        )
        if ours.status is AssignmentStatus.ABSENT and assigned:
            # The hub did not know of the addition, so the product's team is owed a full load.
            settled = replace(settled, added_at=seen_at(asked_at).at)
        return self.assignments.put(settled, version)

    def _finish_removal(self, company_id: str, product: str) -> bool:
        try:
            removed = self.remove(
                company_id, product, BY, "its removal was started and never finished"
            )
        except (RateLimited, Unauthorized):
            raise
        except (Conflict, CallFailed) as error:  # such as a migration; the next run tries again
            logger.warning("removal not finished", company_id=company_id, cause=str(error))
            return False
        return removed.status is AssignmentStatus.ABSENT

    def _overrides(
        self, run: ReconcileRun, candidates: Iterable[ObservedCompany]
    ) -> tuple[list[Finding], int]:
        """Check the own settings of this night's companies; return how many were read too."""
        turns, tonight = int(run.facts.get("buckets", 1)), run.requested_at.toordinal()
        left = OVERRIDES_A_RUN - run.counts.get("overrides_read", 0)
        due = [
            company.company_id
            for company in candidates
            if (crc32(company.company_id.encode()) + tonight) % turns == 0
        ]
        chosen = due[: max(left, 0)]
        questions, found = Questions(run), []
        for company_id in chosen:
            question = partial(self.codat.override, company_id)
            settings = questions.ask(company_id, "sync settings", question)
            if settings is None:
                continue
            if settings.schedules:
                drift = Drift(DriftKind.OVERRIDE_ACTIVE, _hours(settings.schedules), company_id)
                found.append(Finding((drift,)))
            found += [_unread_part(company_id, "sync settings", part) for part in settings.unread]
        return [*found, *questions.missed], len(chosen)


def buckets(with_custom: int) -> int:
    """Return how many nights it takes to read every company's own settings once.

    with_custom: the number of companies with a custom product
    """
    return max(1, -(-with_custom // OVERRIDES_A_RUN))


def _is_stale(drift: Drift) -> bool:
    return drift.kind is DriftKind.ASSIGNMENT_STALE


def _unreadable(number: int, page: ObservedPage) -> Iterator[Finding]:
    """Report what cannot be read in a page, by company, or by name or page where there is no id."""
    for company in page.unreadable:
        subject = company.name or f"page {number} of the companies"
        drift = Drift(DriftKind.ANSWER_UNREADABLE, company.fault, company.company_id, None, subject)
        yield Finding((drift,))
    for observed in page.companies:
        for part in observed.unread:
            yield _unread_part(observed.company_id, observed.name or "company", part)


def _unread_part(company_id: str, subject: str, place: str) -> Finding:
    return Finding((Drift(DriftKind.ANSWER_UNREADABLE, place, company_id, subject=subject),))


def _hides_something(company: ObservedCompany) -> bool:
    """Tell whether Codat's list does not tell the company's products or connections."""
    return company.products is None or company.connections is None


def _possible_products(
    company: ObservedCompany, known: Mapping[str, Company], products: Mapping[str, Product]
) -> list[str]:
    """Return every product that the company may have at Codat or in the hub."""
    entry = known.get(company.company_id)
    return sorted({*products, *(company.products or ()), *(entry.products if entry else ())})


def _has_custom(company: ObservedCompany, products: Mapping[str, Product]) -> bool:
    kinds = {products[name].kind for name in company.products or () if name in products}
    return ProductKind.CUSTOM in kinds


def _unregistered(
    companies: Iterable[ObservedCompany], products: Mapping[str, Product]
) -> Counter[str]:
    return Counter(
        product
        for company in companies
        for product in company.products or ()
        if product not in products
    )


def _integrations(companies: Iterable[ObservedCompany]) -> dict[str, Integration]:
    found: dict[str, Integration] = {}
    for company in companies:
        for connection in (company.connections or {}).values():
            key = connection.integration or "unknown"
            linked = int(connection.status == LINKED)
            more = Integration(connection.platform, 1, linked)
            found[key] = found.get(key, Integration()).plus(more)
    return found


def _at_the_end(run: ReconcileRun, last: StepOutcome) -> Iterator[Finding]:
    """Report the drift that only the whole list shows."""
    unregistered = Counter(run.unregistered) + Counter(last.unregistered)
    for product, count in sorted(unregistered.items()):
        text = f"{count} companies have it at Codat"
        yield Finding((Drift(DriftKind.PRODUCT_UNREGISTERED, text, product=product),))
    with_custom = run.counts.get("with_custom", 0) + last.counts["with_custom"]
    schedules = run.facts.get("schedules") or {}
    if with_custom and schedules:
        text = f"{with_custom} companies have custom products; client-level: {_hours(schedules)}"
        yield Finding((Drift(DriftKind.BOTH_SYNC_SETTINGS, text),))


def _hours(schedules: Mapping[str, int]) -> str:
    named = sorted((int(hours), name) for name, hours in schedules.items())
    return ", ".join(f"{name} every {hours} h" for hours, name in named)
