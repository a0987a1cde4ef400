"""Histories of one company's webhooks, drawn by hypothesis or written in tests."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, CompanyChange, Connection, apply
from codat_hub.product_events.domain.product_event import ProductEvent
from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey
from codat_hub.product_events.domain.read_products import ReadProducts
from codat_hub.product_events.domain.read_state import ProjectionOutcome, ReadState, project
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from codat_hub.reconcile.domain.company_comparison import compare
from codat_hub.reconcile.domain.observed import ObservedCompany
from tests.support.builders import COMPANY, an_event

START = datetime(2026, 7, 1, tzinfo=UTC)
PRODUCT = "invoice-finance"
KEYS = [
    ReadKey(kind, connection) for kind in ("invoices", "payments", "company") for connection in "ab"
]
STATUSES = ["Complete"] * 5 + ["FetchError", "NotSupported", "Cancelled", "SomethingNew"]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def entry(data_type="invoices", connection_id="a", status="Complete", modified=True) -> ReadEntry:
    return ReadEntry(ReadKey(data_type, connection_id), status, modified)


def a_read(
    hours: float, *entries: ReadEntry, since: float | None = 0, ahead: float = 0, **changes
) -> ReadEvent:
    """Return a read that ended `hours` after the start; its event id has the time.

    Codat dates it `ahead` hours later.
    """
    moment = changes.setdefault("at", at(hours))
    read = ReadEvent(
        event_id=f"event-{hours}",
        webhook_id=f"msg-{hours}",
        company_id=COMPANY,
        product=PRODUCT,
        subs=frozenset(),
        at=moment,
        generated=moment + timedelta(hours=ahead),
        modified_from=None if since is None else at(since),
        entries=entries or (entry(),),
    )
    return replace(read, **changes)


def a_removal(hours: float, *, connection: str | None = None, product=PRODUCT) -> CompanyChange:
    """Return the removal of a connection, or of the product without one."""
    stamp = Stamp(at(hours), f"removal-{hours}")
    if connection is None:
        return CompanyChange(COMPANY, stamp, products=("lending",), removed_product=product)
    cut = Connection(stamp, "Deauthorized")
    return CompanyChange(
        COMPANY, stamp, connection_id=connection, connection=cut, connection_removed=True
    )


def an_addition(hours: float, product=PRODUCT) -> CompanyChange:
    """Codat's event: the product was added."""
    stamp = Stamp(at(hours), f"addition-{hours}")
    return CompanyChange(COMPANY, stamp, products=(product,), added_product=product)


@dataclass(frozen=True)
class HubCall:
    """A call of the hub that adds or removes the product, `hours` after the start."""

    hours: float
    adds: bool

    def after(self, before: Assignment) -> Assignment:
        moment = at(self.hours)
        if self.adds:
            status = AssignmentStatus.ASSIGNED
            return replace(before, status=status, changed_at=moment, added_at=moment)
        status = AssignmentStatus.ABSENT
        return replace(before.with_removal(moment), status=status, changed_at=moment)


@dataclass(frozen=True)
class Wish:
    """A person asks for a full load, `hours` after the start."""

    hours: float


@dataclass(frozen=True)
class Look:
    """A reconcile, `hours` after the start, that finds the company with or without the product."""

    hours: float
    there: bool

    def after(self, company: Company, assignment: Assignment) -> Company:
        products = {*company.products} - {PRODUCT} | ({PRODUCT} if self.there else set())
        theirs = ObservedCompany(COMPANY, company.name, tuple(sorted(products)), None)
        return compare(company, theirs, at(self.hours), [assignment]).entry


@dataclass
class Ledger:
    """Project events one after the other, as a projector without faults does."""

    state: ReadState = field(default_factory=ReadState)
    company: Company = field(default_factory=lambda: Company(COMPANY))
    assignment: Assignment = field(default_factory=lambda: Assignment(COMPANY, PRODUCT))
    published: list[ProductEvent] = field(default_factory=list)
    outcomes: list[ProjectionOutcome] = field(default_factory=list)

    def take(self, *events) -> "Ledger":
        for event in events:
            if isinstance(event, CompanyChange):
                self.company = apply(self.company, event)
                continue
            if isinstance(event, HubCall):
                self.assignment = event.after(self.assignment)
                continue
            if isinstance(event, Wish):
                self.assignment = replace(self.assignment, full_load_owed_at=at(event.hours))
                continue
            if isinstance(event, Look):
                self.company = event.after(self.company, self.assignment)
                continue
            found = self.products(event)
            resets, off = partial(found.resets, event), found.off(event)
            result = project(self.state, event, resets, off=off)
            self.state = result.state
            self.outcomes.append(result.outcome)
            if result.published:
                self.published.append(result.published)
        return self

    def products(self, event: ReadEvent) -> ReadProducts:
        changes = self.company.changes(PRODUCT).and_also(self.assignment.changes)
        return ReadProducts({event.product: changes}, {}, self.company.removed_connections)

    def owed(self, last: ReadEvent) -> set[ReadKey]:
        """Return the keys that a removal or an addition still owes a full load after `last`."""
        return {
            key
            for key, known in self.state.keys.items()
            for reset in self.products(last).resets(last, key)
            if known.full_load_at is None or reset > known.full_load_at
        }

    @property
    def facts(self):
        """Return what happened, without what was published in answer."""
        return facts_of(self.state), self.company


def facts_of(state: ReadState) -> ReadState:
    """Return the state without full loads and without reads kept because they may come again."""
    keys = {key: replace(known, full_load_at=None) for key, known in state.keys.items()}
    wanted = {mark for known in keys.values() for mark in (known.latest, known.watermark)}
    reads = tuple(read for read in state.reads if read.read_id in wanted)
    return replace(state, keys=keys, reads=reads)


def as_webhook(event: ReadEvent | CompanyChange, webhook_id: str | None = None) -> StoredWebhook:
    """Return the event as Codat sends it and the inbox keeps it."""
    if isinstance(event, ReadEvent):
        kind = ".".join([*filter(None, [event.product]), "read.completed", *sorted(event.subs)])
        payload = {
            "referenceCompany": {"id": event.company_id},
            "modifiedFromDate": event.modified_from and event.modified_from.isoformat(),
            "dataTypes": [
                {
                    "dataType": entry.key.data_type,
                    "connectionId": entry.key.connection_id,
                    "status": entry.status,
                    "recordsModified": entry.records_modified,
                }
                for entry in event.entries
            ],
        }
        body = an_event(kind, payload, id=event.event_id, generatedDate=event.generated.isoformat())
        received_at = event.at if event.generated > event.at else None
        return StoredWebhook(webhook_id or event.webhook_id, body, received_at=received_at)
    if event.connection:
        kind = "connection.disconnected"
        connection = {"id": event.connection_id, "status": event.connection.status}
        payload = {"referenceCompany": {"id": event.company_id}, "connection": connection}
    else:
        change = "added" if event.added_product else "removed"
        kind = f"company.product.{change}"
        product = event.added_product or event.removed_product
        payload = {"id": event.company_id, "productId": product}
        payload["products"] = list(event.products)
    stamp = event.stamp
    body = an_event(kind, payload, id=stamp.event_id, generatedDate=stamp.at.isoformat())
    return StoredWebhook(webhook_id or f"msg-{stamp.event_id}", body)


def windows_of(published: list[ProductEvent], key: ReadKey):
    """Return the Complete windows of a key as (from, until); from None is a full load."""
    return [
        (window.modified_from, event.read.at)
        for event in published
        for entry, window in event.windows
        if entry.key == key and entry.complete
    ]


def covered_until(published: list[ProductEvent], key: ReadKey) -> datetime | None:
    """Join the windows of a key in any order; fail at a gap. Codat's own start is 0."""
    until = None
    for start, end in sorted(windows_of(published, key), key=lambda window: window[1]):
        if start is not None:
            assert until is not None, f"{key}: the first window is no full load"
            assert start <= until, f"{key}: nothing covers {until} to {start}"
        until = end
    return until


@st.composite
def histories(draw, most=7, ahead=False, removals=False):
    """Draw reads with several connections, failures, sub-events and repeats; resets in between.

    ahead: some are dated up to a day ahead
    removals: the product is removed before it is added again

    Reads of a product do not overlap (Codat locks), so a read's events come before the next read.
    """
    history, since = [], 0.0
    for number in range(draw(st.integers(1, most))):
        hour = 1.0 + number
        if draw(st.integers(0, 4)) == 0:
            where = draw(st.sampled_from(["a", "b", None]))
            if where is not None:
                history.append(a_removal(hour - 0.5, connection=where))
            else:
                history += [a_removal(hour - 0.5)] if removals else []
                history.append(an_addition(hour - 0.45))
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
        entries = tuple(
            ReadEntry(key, draw(st.sampled_from(STATUSES)), draw(st.booleans())) for key in keys
        )
        base = a_read(hour, *entries, since=draw(st.sampled_from([since, since, None])))
        hours_ahead = draw(st.sampled_from([0, 0, 30 / 3600, 1, 5.5, 23.5, 24])) if ahead else 0
        if any(entry.complete for entry in entries):
            since = hour - 0.1  # Codat's own bound: the start of the read
        suffixes = draw(
            st.sets(st.sampled_from(["", "successful", "successful initial"]), min_size=1)
        )
        for minutes, suffix in enumerate(sorted(suffixes)):
            moment = hour + draw(st.sampled_from([0, minutes / 60]))
            event = replace(
                base,
                event_id=f"{base.event_id}-{suffix}",
                webhook_id=f"{base.webhook_id}-{suffix}",
                subs=frozenset(suffix.split()),
                at=at(moment),
                generated=at(moment + hours_ahead),
            )
            history.append(event)
    return history


@st.composite
def lives(draw, most=8):
    """Reads in order, some dated ahead, and removals, additions and wishes for full loads between.

    A removal or an addition is reported in three ways.

    Codat's own event, the hub's call and a later reconcile may report a change, at least one of
    them, and a nightly reconcile follows if Codat's event does not come. A read may still end after
    a removal.
    """
    history, on, since = [HubCall(0, adds=True), an_addition(0.01)], True, 0.0
    told: set[str] = set()
    for number in range(draw(st.integers(2, most))):
        hour = 1.0 + number
        if draw(st.integers(0, 2)) == 0:
            for half in [0.4, 0.6] if on and draw(st.booleans()) else [0.5]:
                on = not on
                ways = ["codat", "hub", "reconcile"] if half == 0.5 else ["codat", "hub"]
                told = draw(st.sets(st.sampled_from(ways), min_size=1))
                moment = hour - 1 + half
                if "hub" in told:
                    history.append(HubCall(moment, adds=on))
                if "codat" in told:
                    change = an_addition if on else a_removal
                    history.append(change(moment + 0.01))
                if "reconcile" in told:
                    history.append(Look(moment + 0.05, there=on))
        if draw(st.integers(0, 4)) == 0:
            history.append(Wish(hour - 0.2))
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
        entries = (ReadEntry(key, draw(st.sampled_from(STATUSES)), True) for key in keys)
        ahead = draw(st.sampled_from([0, 0, 30 / 3600, 5.5, 24]))
        history.append(a_read(hour, *entries, since=since, ahead=ahead))
        since = hour - 0.1
        if draw(st.booleans()) or "codat" not in told:
            history.append(Look(hour + 0.3, there=on))  # the nightly one, much later
    return history


def shuffled(draw, history):
    """Draw the history in any order, with some events repeated under other webhook-ids."""
    again = draw(st.lists(st.sampled_from(history), max_size=5))
    copies = [
        replace(event, webhook_id=f"{event.webhook_id}-again")
        if isinstance(event, ReadEvent)
        else event
        for event in again
    ]
    return draw(st.permutations([*history, *copies]))


def newest_complete(history, key: ReadKey) -> datetime | None:
    """Return when the newest read with the key Complete ended, by its earliest event."""
    times = {}
    for event in history:
        if isinstance(event, ReadEvent):
            read = event.webhook_id.split("-")[1]
            ended = any(entry.key == key and entry.complete for entry in event.entries)
            if ended:
                times[read] = min(times.get(read, event.at), event.at)
    return max(times.values(), default=None)
