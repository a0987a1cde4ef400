"""Steps of a reconcile over our directory: companies gone at Codat, webhooks that never came."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.companies.domain.assignment import Assignment, Status
from codat_hub.companies.domain.company import CompanyChange, apply
from codat_hub.errors import Unreadable
from codat_hub.product_events.domain.freshness import Freshness, freshness
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import Kind as ProductKind
from codat_hub.reconcile.domain.company_comparison import BY, seen_at
from codat_hub.reconcile.domain.drift import Drift, Kind
from codat_hub.reconcile.domain.reconcile_run import Phase, Stepped
from codat_hub.reconcile.domain.untold import untold
from codat_hub.reconcile.usecases.reconcile import Finding, Found, patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from codat_hub.companies.domain.company import Company
    from codat_hub.products.domain.product import Product
    from codat_hub.reconcile.domain.observed import ObservedStatus
    from codat_hub.reconcile.domain.reconcile_run import Run

PAGE: Final = 100
_TRIES: Final = 3


class Codat(Protocol):
    calls: int

    def exists(self, company_id: str) -> bool: ...
    def statuses(self, company_id: str) -> Mapping[str, ObservedStatus]: ...


class Companies(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def get_many(self, company_ids: Iterable[str]) -> dict[str, Company]: ...
    def put(self, company: Company, version: int) -> bool: ...
    def ids(self, shard: int, after: str | None = None, limit: int = 100) -> list[str]: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def get_many(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Assignment]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...
    def of_company(self, company_id: str) -> list[Assignment]: ...


class ReadStates(Protocol):
    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> dict[tuple[str, str | None], ReadState]: ...
    def of_company(self, company_id: str) -> list[ReadState]: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


class Runs(Protocol):
    def seen(self, reconcile_id: str) -> Container[str]: ...


@dataclass
class CheckDirectory:
    """One page of one shard of the directory. The cursor is `{shard}:{last company id}`.

    A company that the list did not have is asked for before it counts as gone: pages shift while
    others are deleted, and new companies come.
    """

    codat: Codat
    companies: Companies
    assignments: Assignments
    read_states: ReadStates
    registry: Registry
    runs: Runs
    shards: int
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _seen: tuple[str, Container[str]] = field(default=("", frozenset()), init=False)

    def __call__(self, run: Run) -> Found:
        before = self.codat.calls
        shard, _, after = (run.cursor or "0:").partition(":")
        ids = self.companies.ids(int(shard), after or None, PAGE)
        entries = self.companies.get_many(ids)
        gone, present = self._parted(run, entries)
        findings = [*gone, *self._overdue(run, present)]
        stepped = self._next(int(shard), ids)
        counts = {"directory": len(ids), "codat_calls": self.codat.calls - before}
        return Found(replace(stepped, counts=counts), tuple(findings))

    def _next(self, shard: int, ids: list[str]) -> Stepped:
        if len(ids) == PAGE:
            return Stepped(Phase.DIRECTORY, f"{shard}:{ids[-1]}")
        if shard + 1 < self.shards:
            return Stepped(Phase.DIRECTORY, f"{shard + 1}:")
        return Stepped(None)

    def _parted(
        self, run: Run, entries: Mapping[str, Company]
    ) -> tuple[list[Finding], list[Company]]:
        """Split them into those that are gone at Codat and those that are there."""
        if self._seen[0] != run.reconcile_id:
            self._seen = (run.reconcile_id, self.runs.seen(run.reconcile_id))
        gone, present = [], []
        for company_id, entry in entries.items():
            if entry.deleted_at is not None:
                continue
            asked_at = self.now()
            if company_id in self._seen[1]:
                present.append(entry)
                continue
            exists = patiently(run, partial(self.codat.exists, company_id))
            if exists is not False:
                present += [entry] if exists else []
                continue
            text = f"{entry.name or 'unnamed'}: not in Codat's list, and asking for it is a 404"
            drift = Drift(Kind.COMPANY_GONE, text, company_id)
            gone.append(Finding((drift,), self._gone_mend(company_id, asked_at)))
        return gone, present

    def _gone_mend(self, company_id: str, asked_at: datetime) -> Callable[[], bool]:
        def mend() -> bool:
            for assignment in self.assignments.of_company(company_id):
                self._clear(assignment)
            change = CompanyChange(company_id, seen_at(asked_at), deleted=True)
            for _ in range(_TRIES):
                entry, version = self.companies.get(company_id)
                if entry.deleted_at is not None or self.companies.put(
                    apply(entry, change), version
                ):
                    return True
            return False

        return mend

    def _clear(self, assignment: Assignment) -> None:
        ours, version = self.assignments.get(assignment.company_id, assignment.product)
        if ours.status is not Status.ABSENT:
            absent = replace(ours, status=Status.ABSENT, changed_at=self.now(), changed_by=BY)
            self.assignments.put(absent, version)

    def _overdue(self, run: Run, companies: Iterable[Company]) -> Iterator[Finding]:
        """Ask Codat about companies that are late by their product's own cadence, no others."""
        late: dict[str, list[Freshness]] = {}
        for one in self._measured(companies):
            if one.overdue:
                late.setdefault(one.company_id, []).append(one)
        for company_id, products in late.items():
            try:
                states = self.read_states.of_company(company_id)
            except Unreadable:
                continue  # what webhooks have told nobody knows
            statuses = patiently(run, partial(self.codat.statuses, company_id))
            if statuses is None:
                continue
            missing = untold(statuses, states, self.now())
            for one in products:
                if drift := self._missing(one, missing):
                    yield Finding((drift,))

    def _measured(self, companies: Iterable[Company]) -> Iterator[Freshness]:
        linked = {one.company_id: one for one in companies if one.linked}
        products = {
            name: one
            for name, one in self.registry.products().items()
            if one.kind is ProductKind.CUSTOM and one.schedule and one.schedule.enabled
        }
        pairs = [(company_id, name) for company_id in linked for name in products]
        assigned = {
            pair: one
            for pair, one in self.assignments.get_many(pairs).items()
            if one.status is Status.ASSIGNED
        }
        states = self.read_states.get_many(assigned)
        for pair, assignment in assigned.items():
            company_id, name = pair
            state = states.get(pair, ReadState())
            yield freshness(assignment, linked[company_id], products[name], state, self.now())

    def _missing(self, one: Freshness, untold_types: Mapping[str, datetime]) -> Drift | None:
        product = self.registry.products()[one.product]
        types = {name: at for name, at in untold_types.items() if name in product.data_types}
        if not types:
            return None
        read = ", ".join(f"{name} {at.isoformat(timespec='seconds')}" for name, at in types.items())
        last = one.last_read_at.isoformat(timespec="seconds") if one.last_read_at else "never"
        text = f"read at Codat: {read}; last webhook of this product: {last}"
        since = min(types.values()).isoformat(timespec="seconds")
        return Drift(Kind.WEBHOOK_MISSING, text, one.company_id, one.product, f"since {since}")
