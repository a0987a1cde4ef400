"""Histories of one company's webhooks, drawn by hypothesis or written in tests."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import Company, CompanyChange, Connection, apply
from codat_hub.product_events.domain.product_event import ProductEvent
from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey
from codat_hub.product_events.domain.read_state import ProjectionOutcome, ReadState, project
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
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


def a_read(hours: float, *entries: ReadEntry, since: float | None = 0, **changes) -> ReadEvent:
    """Return a read that ended `hours` after the start; its event id has the time."""
    read = ReadEvent(
        event_id=f"event-{hours}",
        webhook_id=f"msg-{hours}",
        company_id=COMPANY,
        product=PRODUCT,
        subs=frozenset(),
        at=at(hours),
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


@dataclass
class Ledger:
    """Project events one after the other, as a projector without faults does."""

    state: ReadState = field(default_factory=ReadState)
    company: Company = field(default_factory=lambda: Company(COMPANY))
    published: list[ProductEvent] = field(default_factory=list)
    outcomes: list[ProjectionOutcome] = field(default_factory=list)

    def take(self, *events) -> "Ledger":
        for event in events:
            if isinstance(event, CompanyChange):
                self.company = apply(self.company, event)
                continue
            resets = lambda connection: self.company.removed_at(PRODUCT, connection)  # noqa: E731
            result = project(self.state, event, resets)
            self.state = result.state
            self.outcomes.append(result.outcome)
            if result.published:
                self.published.append(result.published)
        return self

    @property
    def facts(self):
        """Return the state by key, without the answered resets (`covered`)."""
        keys = {key: replace(key_state, covered=None) for key, key_state in self.state.keys.items()}
        return replace(self.state, keys=keys), self.company


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
        body = an_event(kind, payload, id=event.event_id, generatedDate=event.at.isoformat())
        return StoredWebhook(webhook_id or event.webhook_id, body)
    if event.connection:
        kind = "connection.disconnected"
        connection = {"id": event.connection_id, "status": event.connection.status}
        payload = {"referenceCompany": {"id": event.company_id}, "connection": connection}
    else:
        kind = "company.product.removed"
        payload = {"id": event.company_id, "productId": event.removed_product}
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
def histories(draw, most=7):
    """Draw reads with several connections, failures, sub-events, repeats and removals.

    Reads of a product do not overlap (Codat locks), so a read's events come before the next read.
    """
    history, since = [], 0.0
    for number in range(draw(st.integers(1, most))):
        hour = 1.0 + number
        if draw(st.integers(0, 4)) == 0:
            where = draw(st.sampled_from(["a", "b", None]))
            history.append(a_removal(hour - 0.5, connection=where))
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
        entries = tuple(
            ReadEntry(key, draw(st.sampled_from(STATUSES)), draw(st.booleans())) for key in keys
        )
        base = a_read(hour, *entries, since=draw(st.sampled_from([since, since, None])))
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
            )
            history.append(event)
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
