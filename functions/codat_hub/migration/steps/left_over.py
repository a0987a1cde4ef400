"""What a run could not change or restore: kept by name, tried again, or settled by a person.

A call that fails for one company costs this company only. A refusal counts at once. A failure that
may pass counts once it has lasted an hour; until then the step answers `again`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from codat_hub.codat.errors import (
    Busy,
    Forbidden,
    NotFound,
    NotUnderstood,
    OutcomeUnknown,
    Permanent,
    TryLater,
)
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.usecases import outages
from codat_hub.migration.usecases.context import CLIENT, StepResult, finish_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from codat_hub.migration.domain.chunk import ListedCompany
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger
    from codat_hub.migration.usecases.context import Command, StepContext

LEFT: Final = "left"
SETTLED: Final = "settled"
_SHOWN: Final = 5  # items in one error
MOST_NAMED: Final = 1000  # items that a stopped rollback names
_LOOKED_AT: Final = 5000  # entries of the ledger in one answer, whatever the size of the run
REFUSED: Final = (Permanent, Forbidden, NotFound, NotUnderstood, StepFailed)
PASSING: Final = (TryLater, OutcomeUnknown, Busy)
PATIENCE: Final = timedelta(minutes=65)  # more than the hour, as an outage may begin in a call
_LEAST_TRIES: Final = 5  # however short the waits of a local stack are
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=5)
_FORWARD: Final = "LEFT#apply#"
_BACK: Final = "LEFT#compensate#"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a run may leave over: a company's product or settings, or the client's.

    company_id: None for what belongs to the client
    what: the sentence for people, without the cause
    consumer: of the client's webhook consumers, the id of an old one or the name of a new one
    """

    company_id: str | None
    what: str
    product: str | None = None
    consumer: str | None = None

    @property
    def name(self) -> str:
        """The name within the ledger, by which one item is told from all others."""
        if self.company_id is None:
            return f"client#{self.what}"
        kind = "settings" if self.product is None else f"product#{self.product}"
        return f"company#{self.company_id}#{kind}"


def not_added(company_id: str, product: str) -> Item:
    """Return the item of a product that could not be added."""
    return Item(company_id, f"{product} is not added", product)


def still_on(company_id: str) -> Item:
    """Return the item of a company whose own schedules could not be switched off."""
    return Item(company_id, "its settings are as before, so it gets no product")


def kept(company_id: str, product: str) -> Item:
    """Return the item of a product that could not be removed."""
    return Item(company_id, f"keeps {product}; its reads have no old consumer to go to", product)


def not_restored(company_id: str) -> Item:
    """Return the item of a company whose settings could not be restored."""
    return Item(company_id, "its settings are not restored, so its scheduled reads do not come")


def not_deleted(name: str) -> Item:
    """Return the item of a new consumer, by its name in the plan."""
    return Item(None, f"the new webhook consumer {name} is not deleted", consumer=name)


def not_back(consumer_id: str) -> Item:
    """Return the item of an old consumer that could not be made again."""
    what = f"the old webhook consumer {consumer_id} is not back, so it gets no event"
    return Item(None, what, consumer=consumer_id)


def client_not_restored() -> Item:
    """Return the item of the client's settings."""
    return Item(
        None,
        "the client settings are not restored, so reads of all companies without settings of their "
        "own do not come",
    )


@dataclass
class Attempts:
    """The failures of one step, in the ledger. `phase`: a failure counts for this phase only."""

    context: StepContext
    command: Command
    run: MigrationRun
    phase: str
    prefix: str
    known: dict[str, LedgerEntry] = field(default_factory=dict)
    pending_since: datetime | None = None
    pending_error: str = ""

    @classmethod
    def forward(cls, context: StepContext, command: Command, run: MigrationRun, phase: str) -> Self:
        """Return the attempts of a step forward on a chunk."""
        return cls(context, command, run, phase, _FORWARD)

    @classmethod
    def back(cls, context: StepContext, command: Command, run: MigrationRun, phase: str) -> Self:
        """Return the attempts of an undo, on a chunk or on what belongs to the client."""
        return cls(context, command, run, phase, _BACK)

    def __post_init__(self) -> None:
        members = self.command.chunk.members if self.command.chunk else ()
        items = [client_not_restored()] if not members else []
        for member in members:
            items += [still_on(member.company_id)]
            items += [kept(member.company_id, product) for product in self.run.request.products]
        names = [self._name(item) for item in items]
        self.known = self.context.ledger.entries(self.run.migration_id, names)

    def attempt(self, tally: Tally, item: Item, act: Callable[[Tally], Tally]) -> Tally:
        """Return the tally after an act for one item. A failure is counted, not raised."""
        if reason := self._given_up(item):
            return tally.fail(reason)
        try:
            tally = act(tally)
        except (*REFUSED, *PASSING) as fault:
            return self._failed(tally, item, fault)
        self.over(item)
        return tally

    def try_client(self, item: Item, act: Callable[[], None]) -> None:
        """Act for one item of the client. A failure is noted, not raised."""

        def counted(tally: Tally) -> Tally:
            act()
            return tally

        self.attempt(Tally(self.command.epoch), item, counted)

    def leaves(self, item: Item) -> bool:
        """Tell whether the item is left over, in whichever phase, and not settled."""
        return self._entry(item).outcome == LEFT

    def products_left(self, company_id: str) -> list[str]:
        """Return the products of a company that are left over."""
        products = self.run.request.products
        return [product for product in products if self.leaves(kept(company_id, product))]

    def leave(self, item: Item, error: str) -> str:
        """Note that the item is left over; return the reason for the tally."""
        self._note(item, error, LEFT)
        return f"{item.company_id or 'client'}: {item.what}: {error}"

    def over(self, item: Item) -> None:
        """Note that the item is not left over any more."""
        if self._entry(item).before is not None and self._entry(item).outcome != "done":
            self._put(item, replace(self._entry(item), outcome="done"))

    def end(self, tally: Tally) -> StepResult:
        """End the step on the chunk, or answer `again` while a failure may pass."""
        result = self.again_or_done()
        if result.next == "done":
            return finish_chunk(self.context, self.command, self.phase, tally)
        return result

    def again_or_done(self) -> StepResult:
        """Answer `again` while a failure may pass: soon, then less and less often."""
        chunk = f"#{self.command.chunk.name}" if self.command.chunk else ""
        wait = f"{self.phase}{chunk}"
        if self.pending_since is None:
            outages.say(self.context, self.command, wait, None)
            return StepResult()
        text = outages.codat_away(self.pending_since, self.pending_error)
        outages.say(self.context, self.command, wait, text)
        lasts = self.context.now() - self.pending_since
        pause = min(max(lasts, _FIRST_PAUSE), _LONGEST_PAUSE)
        return StepResult("again", wait_seconds=self.context.limits.seconds(pause))

    def _failed(self, tally: Tally, item: Item, fault: Exception) -> Tally:
        limits, now = self.context.limits, self.context.now()
        lasted = limits.over(self._since(item), PATIENCE, now)
        if isinstance(fault, PASSING) and not (lasted and self._tries(item) + 1 >= _LEAST_TRIES):
            self._note(item, str(fault), None)
            self.pending_since = min(self._since(item), self.pending_since or now)
            self.pending_error = str(fault)
            return tally
        return tally.fail(self.leave(item, str(fault)))

    def _given_up(self, item: Item) -> str | None:
        """Return the reason if this phase gave the item up in this round."""
        entry = self._entry(item)
        if entry.outcome != LEFT or not self._is_now(entry):
            return None
        return f"{item.company_id or 'client'}: {item.what}: {entry.detail['error']}"

    def _since(self, item: Item) -> datetime:
        """Return when the item failed first in this phase and round."""
        entry = self._entry(item)
        if entry.detail and self._is_now(entry):
            return datetime.fromisoformat(entry.detail["since"])
        return self.context.now()

    def _tries(self, item: Item) -> int:
        """Return how often the item has failed in this phase and round."""
        entry = self._entry(item)
        return int(entry.detail.get("tries", 0)) if entry.detail and self._is_now(entry) else 0

    def _is_now(self, entry: LedgerEntry) -> bool:
        now = (self.phase, self.run.attempts)
        return (entry.detail["phase"], entry.detail["round"]) == now

    def _note(self, item: Item, error: str, outcome: str | None) -> None:
        detail = {
            "what": item.what,
            "error": error,
            "since": self._since(item).isoformat(),
            "tries": self._tries(item) + 1,
            "phase": self.phase,
            "round": self.run.attempts,
            "rounds": _rounds(self._entry(item), self.run.attempts),
        }
        self._put(item, LedgerEntry(before=_whose(item), outcome=outcome, detail=detail))

    def _put(self, item: Item, entry: LedgerEntry) -> None:
        name = self._name(item)
        self.known[name] = self.context.ledger.note(
            self.run.migration_id, name, lambda _known: entry
        )

    def _entry(self, item: Item) -> LedgerEntry:
        name = self._name(item)
        if name not in self.known:
            self.known[name] = self.context.ledger.entry(self.run.migration_id, name)
        return self.known[name]

    def _name(self, item: Item) -> str:
        return f"{self.prefix}{item.name}"


def _whose(item: Item) -> dict[str, Any]:
    facts = {"company_id": item.company_id, "product": item.product}
    return {**facts, "consumer": item.consumer} if item.consumer else facts


def _rounds(entry: LedgerEntry, this: int) -> int:
    """Return in how many rollbacks the item failed, with this one."""
    if not entry.detail:
        return 1
    return int(entry.detail["rounds"]) + int(entry.detail["round"] != this)


def name_back(item: Item) -> str:
    """Return the name of the ledger's entry of an item that a rollback left."""
    return f"{_BACK}{item.name}"


def left(ledger: Ledger, run: MigrationRun) -> dict[str, LedgerEntry]:
    """Return what is left over in the direction in which the run is, by name.

    A rollback whose executions died names nothing itself: what it did not undo is read from the
    ledger, from its first entries.
    """
    found = _of_outcome(ledger, run, LEFT)
    if run.status is not MigrationStatus.ROLLBACK_INCOMPLETE:
        return found
    unnamed = {
        name_back(item): LedgerEntry(
            before=_whose(item),
            outcome=LEFT,
            detail={"what": item.what, "error": run.error or "", "rounds": 1},
        )
        for item in _items(ledger.ours(run.migration_id, MOST_NAMED, _LOOKED_AT))
    }
    return {**unnamed, **found}


def settled(ledger: Ledger, run: MigrationRun) -> dict[str, LedgerEntry]:
    """Return what a person settled, by name."""
    return _of_outcome(ledger, run, SETTLED)


def _of_outcome(ledger: Ledger, run: MigrationRun, outcome: str) -> dict[str, LedgerEntry]:
    prefix = _BACK if run.status.undoing else _FORWARD
    entries = ledger.under(run.migration_id, prefix)
    return {name: entry for name, entry in entries.items() if entry.outcome == outcome}


def shown(entry: LedgerEntry) -> dict[str, Any]:
    """Return an item as answers and reports show it."""
    facts = {name: value for name, value in entry.before.items() if name == "company_id" or value}
    return {**facts, "what": entry.detail["what"], "error": entry.detail["error"]}


def shown_settled(entry: LedgerEntry) -> dict[str, Any]:
    """Return a settled item, with the reason, the person and the time."""
    facts = {name: entry.detail[name] for name in ("reason", "by", "at")}
    return {**shown(entry), **facts}


def companies_that_keep(ledger: Ledger, run: MigrationRun) -> set[str]:
    """Return the companies that keep a product of this run in its rollback."""
    entries = ledger.under(run.migration_id, f"{_BACK}company#").values()
    items = (entry.before for entry in entries if entry.outcome == LEFT)
    return {item["company_id"] for item in items if item["product"]}


def name_all(context: StepContext, command: Command, why: str) -> None:
    """Name everything of the run that was not undone, for a rollback that stopped."""
    run = context.run(command)
    attempts = Attempts.back(context, replace(command, chunk=None), run, "incomplete")
    attempts.known |= context.ledger.under(run.migration_id, _BACK)
    for item in _items(context.ledger.ours(run.migration_id, MOST_NAMED)):
        if not attempts.leaves(item):
            attempts.leave(item, why)


def _items(names: Iterable[str]) -> Iterable[Item]:
    """Yield the items of the ledger's entries that were not undone."""
    for name in names:
        kind, _, rest = name.partition("#")
        match kind:
            case "COMPANY":
                yield not_restored(rest)
            case "PRODUCT":
                company_id, _, product = rest.partition("#")
                yield kept(company_id, product)
            case "NEW_CONSUMER":
                yield not_deleted(rest)
            case _ if name == CLIENT:
                yield client_not_restored()
            case _:
                yield not_back(rest or name)


def require_nothing(context: StepContext, command: Command) -> None:
    """Raise StepFailed if anything of the run was neither undone nor settled."""
    names = context.ledger.ours(command.migration_id, 1)
    if not names:
        return
    entries = left(context.ledger, context.run(command)).values()
    items = [
        f"{entry.before['company_id'] or 'client'}: {entry.detail['what']}: {entry.detail['error']}"
        for entry in entries
    ] or [item.what for item in _items(names)]
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    raise StepFailed(f"not everything was undone: {'; '.join(items[:_SHOWN])}{more}")


def settings_of(context: StepContext, company_id: str) -> Mapping[str, Any] | None:
    """Return a company's settings, None if the company is gone. One 404 alone proves nothing."""
    settings = context.codat.company_settings(company_id)
    if settings is None and context.codat.company(company_id) is not None:
        raise TryLater("Codat answers 404 for its settings, though it lists the company")
    return settings


def company_of(context: StepContext, company_id: str) -> ListedCompany | None:
    """Return a company, None if it is gone. One 404 alone proves nothing."""
    company = context.codat.company(company_id)
    if company is None and context.codat.company_settings(company_id) is not None:
        raise TryLater("Codat answers 404 for the company, though it has settings")
    return company


def products_of(context: StepContext, company_id: str) -> Collection[str] | None:
    """Return a company's products, None if the company is gone. One 404 alone proves nothing."""
    company = company_of(context, company_id)
    return company.products if company else None
