"""Steps of a reconcile over Codat's list: a page of companies against directory and assignments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

from codat_hub.codat.errors import CallFailed, RateLimited, Unauthorized
from codat_hub.companies.domain.assignment import Assignment, Status
from codat_hub.companies.domain.company import LINKED
from codat_hub.errors import Conflict
from codat_hub.products.domain.product import Kind as ProductKind
from codat_hub.reconcile.domain.assignment_comparison import Mend, Verdict, judge
from codat_hub.reconcile.domain.company_comparison import BY, compare
from codat_hub.reconcile.domain.drift import Drift, Kind
from codat_hub.reconcile.domain.reconcile_run import Integration, Phase, Stepped
from codat_hub.reconcile.usecases.reconcile import Finding, Found, patiently
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.products.domain.product import Product
    from codat_hub.reconcile.domain.observed import ObservedCompany, ObservedPage, ObservedSettings
    from codat_hub.reconcile.domain.reconcile_run import Run
    from codat_hub.storage.found import Found as Held

_TRIES: Final = 3  # at an item that others keep changing; the next run looks again
OVERRIDES_A_RUN: Final = 200  # one call each; a larger directory takes its turns


class Codat(Protocol):
    calls: int

    def companies(self, page: int) -> ObservedPage: ...
    def override(self, company_id: str) -> ObservedSettings: ...


class Companies(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def get_many(self, company_ids: Iterable[str]) -> Held[str, Company]: ...
    def put(self, company: Company, version: int) -> bool: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def get_many(self, pairs: Iterable[tuple[str, str]]) -> Held[tuple[str, str], Assignment]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...


class Ledger(Protocol):
    def newest(self, company_id: str, product: str) -> ConsentEntry | None: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


@dataclass(frozen=True)
class CheckCompanies:
    """One page of Codat's companies. The cursor is the page's number.

    Only the hub's own side is mended, with one exception: a removal that a person began is finished
    by `remove` (company, product, by, reason). What cannot be read is not compared.
    """

    codat: Codat
    companies: Companies
    assignments: Assignments
    ledger: Ledger
    registry: Registry
    remove: Callable[[str, str, str, str], Assignment]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self, run: Run) -> Found:
        before, number = self.codat.calls, int(run.cursor or 1)
        page = self.codat.companies(number)
        products = self.registry.products()
        known = self.companies.get_many(one.company_id for one in page.companies)
        findings = [*self._directory(page, known), *self._assignments(page, known, products)]
        unregistered = Counter(
            product
            for one in page.companies
            for product in one.products or ()
            if product not in products
        )
        with_custom = [one for one in page.companies if _custom(one, products)]
        overrides, read = self._overrides(run, with_custom)
        counts = {"companies": len(page.companies), "with_custom": len(with_custom)}
        stepped = Stepped(
            Phase.COMPANIES if page.has_next else Phase.DIRECTORY,
            str(number + 1) if page.has_next else None,
            {**counts, "overrides_read": read, "codat_calls": self.codat.calls - before},
            _integrations(page.companies),
            unregistered,
            {} if page.total is None else {"companies_at_codat": page.total},
        )
        findings += [*overrides, *([] if page.has_next else _at_the_end(run, stepped))]
        return Found(stepped, tuple(findings), tuple(one.company_id for one in page.companies))

    def _directory(self, page: ObservedPage, known: Held[str, Company]) -> Iterator[Finding]:
        for theirs in page.companies:
            if theirs.company_id in known.unreadable:
                continue
            compared = compare(known.get(theirs.company_id), theirs, page.asked_at)
            if compared.drift:
                yield Finding(compared.drift, self._entry_mend(theirs, page.asked_at))

    def _entry_mend(self, theirs: ObservedCompany, asked_at: datetime) -> Callable[[], bool]:
        def mend() -> bool:
            for _ in range(_TRIES):
                ours, version = self.companies.get(theirs.company_id)
                compared = compare(ours if version else None, theirs, asked_at)
                if not compared.drift or compared.entry == ours:
                    return bool(version) and ours.deleted_at is None
                if self.companies.put(compared.entry, version):
                    return compared.entry.deleted_at is None
            return False

        return mend

    def _assignments(
        self,
        page: ObservedPage,
        known: Mapping[str, Company],
        products: Mapping[str, Product],
    ) -> Iterator[Finding]:
        told = [one for one in page.companies if one.products is not None]
        pairs = [
            (one.company_id, product) for one in told for product in _products(one, known, products)
        ]
        ours = self.assignments.get_many(pairs)
        at_codat = {(one.company_id, product) for one in told for product in one.products or ()}
        for pair in pairs:
            if pair in ours.unreadable:
                continue
            verdict = judge(
                ours.get(pair, Assignment(*pair)),
                products.get(pair[1]),
                at_codat=pair in at_codat,
                asked_at=page.asked_at,
            )
            # companies with a product that nobody registered are told once, at the end
            if verdict and verdict.drift.kind is not Kind.PRODUCT_UNREGISTERED:
                yield self._finding(verdict, pair, products.get(pair[1]), page.asked_at)

    def _finding(
        self,
        verdict: Verdict,
        pair: tuple[str, str],
        product: Product | None,
        asked_at: datetime,
    ) -> Finding:
        """Judge by the ledger, which is the truth, before an assignment is believed."""
        wanted = verdict.mend
        if wanted is None:
            return Finding((verdict.drift,))

        def mend() -> bool:
            ours, version = self.assignments.get(*pair)
            if wanted is Mend.ASSIGN:
                entry = self.ledger.newest(*pair)
                ours = replace(ours, consent=None if entry is None else entry.consent)
            again = judge(ours, product, at_codat=wanted is not Mend.CLEAR, asked_at=asked_at)
            if again is None or again.mend is not wanted:
                return False
            if wanted is Mend.REMOVE:
                return self._finish_removal(*pair)
            settled = replace(
                ours,
                status=Status.ASSIGNED if wanted is Mend.ASSIGN else Status.ABSENT,
                changed_at=self.now(),
                changed_by=BY,
                unsettled_until=None,
            )
            return self.assignments.put(settled, version)

        return Finding((verdict.drift,), mend)

    def _finish_removal(self, company_id: str, product: str) -> bool:
        try:
            gone = self.remove(company_id, product, BY, "its removal was begun and never finished")
        except (RateLimited, Unauthorized):
            raise
        except (Conflict, CallFailed) as why:  # such as a migration at work; the next run tries
            logger.warning("removal not finished", company_id=company_id, cause=str(why))
            return False
        return gone.status is Status.ABSENT

    def _overrides(
        self, run: Run, candidates: Iterable[ObservedCompany]
    ) -> tuple[list[Finding], int]:
        """Look at the settings of some companies' own: each night it is others' turn."""
        buckets, turn = int(run.facts.get("buckets", 1)), run.requested_at.toordinal()
        left = OVERRIDES_A_RUN - run.counts.get("overrides_read", 0)
        chosen = [
            one for one in candidates if (crc32(one.company_id.encode()) + turn) % buckets == 0
        ]
        found = []
        for one in chosen[: max(left, 0)]:
            settings = patiently(run, partial(self.codat.override, one.company_id))
            if settings is not None and settings.schedules:
                drift = Drift(Kind.OVERRIDE_ACTIVE, _hours(settings.schedules), one.company_id)
                found.append(Finding((drift,)))
        return found, len(chosen[: max(left, 0)])


def buckets(with_custom: int) -> int:
    """Return how many nights it takes to look at every company's own settings once."""
    return max(1, -(-with_custom // OVERRIDES_A_RUN))


def _products(
    one: ObservedCompany, known: Mapping[str, Company], products: Mapping[str, Product]
) -> list[str]:
    """Return every product that Codat or the hub could think the company has."""
    entry = known.get(one.company_id)
    return sorted({*products, *(one.products or ()), *(entry.products if entry else ())})


def _custom(one: ObservedCompany, products: Mapping[str, Product]) -> bool:
    kinds = {products[name].kind for name in one.products or () if name in products}
    return ProductKind.CUSTOM in kinds


def _integrations(companies: Iterable[ObservedCompany]) -> dict[str, Integration]:
    found: dict[str, Integration] = {}
    for one in companies:
        for connection in (one.connections or {}).values():
            key = connection.integration or "unknown"
            linked = int(connection.status == LINKED)
            more = Integration(connection.platform, 1, linked)
            found[key] = found.get(key, Integration()).plus(more)
    return found


def _at_the_end(run: Run, last: Stepped) -> Iterator[Finding]:
    """Tell what only the whole list shows."""
    unregistered = Counter(run.unregistered) + Counter(last.unregistered)
    for product, count in sorted(unregistered.items()):
        text = f"{count} companies have it at Codat"
        yield Finding((Drift(Kind.PRODUCT_UNREGISTERED, text, product=product),))
    with_custom = run.counts.get("with_custom", 0) + last.counts["with_custom"]
    schedules = run.facts.get("schedules") or {}
    if with_custom and schedules:
        text = f"{with_custom} companies have custom products; client-level: {_hours(schedules)}"
        yield Finding((Drift(Kind.BOTH_SYNC_SETTINGS, text),))


def _hours(schedules: Mapping[str, int]) -> str:
    named = sorted((int(hours), name) for name, hours in schedules.items())
    return ", ".join(f"{name} every {hours} h" for hours, name in named)
