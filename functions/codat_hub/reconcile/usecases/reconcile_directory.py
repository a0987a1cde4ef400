"""Check a page of the directory: companies gone at Codat, and webhooks that never came."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import CompanyChange, apply
from codat_hub.errors import Unreadable
from codat_hub.product_events.domain.freshness import freshness
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.products.domain.product import ProductKind
from codat_hub.reconcile.domain import vanished
from codat_hub.reconcile.domain.company_comparison import BY, seen_at
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Phase, StepOutcome
from codat_hub.reconcile.domain.unreported import unreported
from codat_hub.reconcile.usecases.reconcile_step import Finding, Questions, StepFindings
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.domain.freshness import Freshness
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.products.ports import Products
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
    from codat_hub.reconcile.ports import ObservedCodat, ReconcileRuns
    from codat_hub.storage.found import Found

PAGE: Final = 100
_GONE: Final = "gone"  # the cursor of the last steps, in place of a shard
_EARLIER: Final = 50  # runs; one a night, and some that people ask for


@dataclass
class CheckDirectory:
    """A step for each page of the directory. The cursor is `{shard}:{last company id}`.

    Then a step for each page of the companies that are gone, as only the whole number shows
    whether to believe it.

    Codat's pages shift when companies are deleted meanwhile, and new companies come. So a company
    that was not in Codat's list counts as gone only if Codat answers 404 for it.
    """

    codat: ObservedCodat
    companies: Companies
    assignments: Assignments
    read_states: ReadStates
    registry: Products
    runs: ReconcileRuns
    shards: int
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _seen: tuple[str, Container[str]] = field(default=("", frozenset()), init=False)

    def __call__(self, run: ReconcileRun) -> StepFindings:
        before = self.codat.calls
        shard, _, after = (run.cursor or "0:").partition(":")
        if shard == _GONE:
            return self._decide(run, after)
        ids = self.companies.ids(int(shard), after or None, PAGE)
        entries = self.companies.get_many(ids)
        questions = Questions(run)
        gone, present = self._parted(questions, entries)
        findings = [*self._overdue(questions, entries, present), *questions.missed]
        outcome = self._next(int(shard), ids)
        if outcome.phase is None and (gone or run.counts.get("gone")):
            outcome = StepOutcome(Phase.DIRECTORY, f"{_GONE}:")
        counts = {
            "directory": len(ids),
            "live": sum(entry.deleted_at is None for entry in entries.values()),
            "gone": len(gone),
            vanished.REFUSED: self._refused_before(present),
            "codat_calls": self.codat.calls - before,
        }
        return StepFindings(replace(outcome, counts=counts), tuple(findings), gone=gone)

    def _decide(self, run: ReconcileRun, after: str) -> StepFindings:
        """Mark a page of the companies that are gone, or report them if they are too many."""
        gone = self.runs.gone(run.reconcile_id)
        page = sorted(company_id for company_id in gone if company_id > after)[:PAGE]
        earlier = self.runs.latest(before=run.reconcile_id, limit=_EARLIER)
        believed = vanished.believed(run, gone.keys(), earlier, self.runs.gone)
        entries = self.companies.get_many(page)
        findings = [
            self._gone(run, entry, gone[company_id], believed=company_id in believed)
            for company_id, entry in entries.items()
            if entry.deleted_at is None
        ]
        more = len(page) == PAGE
        outcome = StepOutcome(Phase.DIRECTORY, f"{_GONE}:{page[-1]}") if more else StepOutcome(None)
        return StepFindings(outcome, tuple(findings))

    def _gone(
        self, run: ReconcileRun, entry: Company, asked_at: datetime, *, believed: bool
    ) -> Finding:
        text = f"{entry.name or 'unnamed'}: not in Codat's list, and Codat answers 404"
        if believed:
            drift = Drift(DriftKind.COMPANY_GONE, text, entry.company_id)
            return Finding((drift,), partial(self._mark_deleted, entry.company_id, asked_at))
        many, live = vanished.answers_404(run), run.counts["live"]
        text += f"; so are {many} of {live} companies"
        return Finding((Drift(DriftKind.COMPANY_VANISHED, text, entry.company_id),))

    def _next(self, shard: int, ids: Sequence[str]) -> StepOutcome:
        if len(ids) == PAGE:
            return StepOutcome(Phase.DIRECTORY, f"{shard}:{ids[-1]}")
        if shard + 1 < self.shards:
            return StepOutcome(Phase.DIRECTORY, f"{shard + 1}:")
        return StepOutcome(None)

    def _parted(
        self, questions: Questions, entries: Mapping[str, Company]
    ) -> tuple[dict[str, datetime], list[Company]]:
        """Return the companies that are gone at Codat, with the time of asking, and the others."""
        run = questions.run
        if self._seen[0] != run.reconcile_id:
            self._seen = (run.reconcile_id, self.runs.seen(run.reconcile_id))
        gone: dict[str, datetime] = {}
        present = []
        for company_id, entry in entries.items():
            if entry.deleted_at is not None:
                continue
            asked_at = self.now()
            if company_id in self._seen[1]:
                present.append(entry)
                continue
            question = partial(self.codat.exists, company_id)
            exists = questions.ask(company_id, "whether it exists", question)
            if exists:
                present.append(entry)
            elif exists is False:
                gone[company_id] = asked_at
        return gone, present

    def _refused_before(self, present: Iterable[Company]) -> int:
        """Count companies that were not in Codat's list, exist, and were refused to a refresh."""
        unlisted = (entry for entry in present if entry.company_id not in self._seen[1])
        return sum(
            any(
                assignment.status is AssignmentStatus.STALE
                for assignment in self.assignments.of_company(entry.company_id)
            )
            for entry in unlisted
        )

    def _mark_deleted(self, company_id: str, asked_at: datetime) -> bool:
        for assignment in self.assignments.of_company(company_id):
            self._clear(assignment)
        change = CompanyChange(company_id, seen_at(asked_at), deleted=True)
        update(
            lambda: self.companies.get(company_id),
            lambda entry: apply(entry, change) if entry.deleted_at is None else None,
            self.companies.put,
            f"company {company_id}",
        )
        return True

    def _clear(self, assignment: Assignment) -> None:
        ours, version = self.assignments.get(assignment.company_id, assignment.product)
        if ours.status is not AssignmentStatus.ABSENT:
            absent = replace(
                ours, status=AssignmentStatus.ABSENT, changed_at=self.now(), changed_by=BY
            )
            self.assignments.put(absent, version)

    def _overdue(
        self, questions: Questions, entries: Found[str, Company], present: Iterable[Company]
    ) -> Iterator[Finding]:
        """Ask Codat only about companies with a product that is late by its own cadence."""
        late: dict[str, list[Freshness]] = {}
        for measured in self._measured(entries, present):
            if measured.overdue:
                late.setdefault(measured.company_id, []).append(measured)
        for company_id, products in late.items():
            try:
                states = self.read_states.of_company(company_id)
            except Unreadable:
                continue  # which webhooks came is unknown
            question = partial(self.codat.statuses, company_id)
            statuses = questions.ask(company_id, "data status", question)
            if statuses is None:
                continue
            missing = unreported(statuses, states, self.now())
            for measured in products:
                if drift := self._missing(measured, missing):
                    yield Finding((drift,))

    def _measured(
        self, entries: Found[str, Company], present: Iterable[Company]
    ) -> Iterator[Freshness]:
        """Measure every assigned custom product with a schedule on the linked companies.

        On the way it corrects the list of what is overdue, of companies that are gone too.
        """
        linked = {company.company_id: company for company in present if company.linked}
        products = {
            name: product
            for name, product in self.registry.products().items()
            if product.kind is ProductKind.CUSTOM and product.schedule and product.schedule.enabled
        }
        pairs = [(company_id, name) for company_id in entries for name in products]
        assignments = self.assignments.get_many(pairs)
        states = ListOverdue(self.read_states)(assignments.values(), entries, products)
        for pair, assignment in assignments.items():
            company_id, name = pair
            if assignment.status is AssignmentStatus.ASSIGNED and company_id in linked:
                state = states.get(pair, ReadState())
                yield freshness(assignment, linked[company_id], products[name], state, self.now())

    def _missing(self, late: Freshness, missing: Mapping[str, datetime]) -> Drift | None:
        """Return the drift of a late product; None if it has none of the missing data types."""
        product = self.registry.products()[late.product]
        reads = {name: at for name, at in missing.items() if name in product.data_types}
        if not reads:
            return None
        read = ", ".join(f"{name} {at.isoformat(timespec='seconds')}" for name, at in reads.items())
        last = late.last_read_at.isoformat(timespec="seconds") if late.last_read_at else "never"
        text = f"read at Codat: {read}; last webhook of this product: {last}"
        since = f"since {min(reads.values()).isoformat(timespec='seconds')}"
        return Drift(DriftKind.WEBHOOK_MISSING, text, late.company_id, late.product, since)
