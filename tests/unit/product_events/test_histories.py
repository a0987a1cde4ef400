"""Hundreds of histories, shuffled and repeated, end in one state and leave no gap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.codat.domain.data_types import has_modified_date
from codat_hub.companies.domain.company import CompanyChange
from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent
from tests.support.histories import (
    KEYS,
    START,
    HubCall,
    Ledger,
    Look,
    Wish,
    a_read,
    covered_until,
    histories,
    lives,
    newest_complete,
    shuffled,
    windows_of,
)

LAST = a_read(1000, *(ReadEntry(key, "Complete", True) for key in KEYS), since=999)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True))
def test_any_order_with_repeats_ends_in_the_same_state(data, history):
    straight, mixed = Ledger().take(*history), Ledger().take(*shuffled(data.draw, history))
    assert mixed.facts == straight.facts
    # Which read was a full load depends on the order; after one more read none is owed.
    assert mixed.take(LAST).facts == straight.take(LAST).facts
    assert mixed.owed(LAST) == straight.owed(LAST) == set()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True, removals=True))
def test_any_order_publishes_every_newest_complete_and_leaves_no_gap(data, history):
    ledger = Ledger().take(*shuffled(data.draw, history), LAST)
    for key in KEYS:
        assert covered_until(ledger.published, key) == LAST.at


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True))
def test_every_newest_complete_is_published_without_a_later_read(data, history):
    ledger = Ledger().take(*shuffled(data.draw, history))
    for key in KEYS:
        until, newest = covered_until(ledger.published, key), newest_complete(history, key)
        assert (until is None) == (newest is None)
        assert until is None or until >= newest


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True))
def test_any_order_publishes_each_read_at_most_once(data, history):
    ledger = Ledger().take(*shuffled(data.draw, history))
    reads = [event.read.webhook_id.split("-")[1] for event in ledger.published]
    assert len(reads) == len(set(reads))
    assert len({event.event_key for event in ledger.published}) == len(reads)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True, removals=True))
def test_after_a_removal_the_next_read_is_a_full_load_in_any_order(data, history):
    ledger = Ledger().take(*shuffled(data.draw, history))
    known = dict(ledger.state.keys)
    ledger.take(LAST)
    windows = {entry.key: window for entry, window in ledger.published[-1].windows}
    for key, state in known.items():
        resets = ledger.products(LAST).resets(LAST, key)
        if resets and (state.full_load_at is None or max(resets) > state.full_load_at):
            assert windows[key].full_load


def changes_in(history):
    """Return the times of the removals and additions, each once, as their first report has them."""
    times, on = [], True
    for event in history:
        now_on = event_adds(event)
        if now_on is not None and now_on is not on:
            times.append(event.hours if not isinstance(event, CompanyChange) else hours_of(event))
            on = now_on
    return times


def event_adds(event):
    match event:
        case CompanyChange():
            return event.added_product is not None
        case HubCall():
            return event.adds
        case Look():
            return event.there
    return None


def hours_of(change):
    return (change.stamp.at - START).total_seconds() / 3600


@settings(max_examples=300, deadline=None)
@given(history=lives())
def test_each_change_or_wish_costs_each_key_one_full_load_however_often_reported(history):
    ledger, changes = Ledger().take(*history), changes_in(history)
    owing = changes + [event.hours for event in history if isinstance(event, Wish)]
    full_loads, answered = {}, {}
    for event in ledger.published:
        hour = float(event.read.webhook_id.removeprefix("msg-"))
        assert sum(change < hour for change in changes) % 2 == 0, "published while it was off"
        for entry, window in event.windows:
            if not entry.complete or not has_modified_date(entry.key.data_type):
                continue
            before = answered.get(entry.key)
            due = before is None or any(before < time < hour for time in owing)
            assert window.full_load is due
            if due:
                answered[entry.key] = hour
                full_loads[entry.key] = full_loads.get(entry.key, 0) + 1
    for count in full_loads.values():
        assert count <= 1 + len(owing)


@settings(max_examples=300, deadline=None)
@given(history=lives())
def test_a_product_that_is_off_gets_nothing_and_no_gap_is_left_after_it(history):
    # The hub learns at the end that it is on, if it was off.
    last = [HubCall(900, adds=True)] if len(changes_in(history)) % 2 else []
    ledger = Ledger().take(*history, *last, LAST)
    for key in KEYS:
        assert covered_until(ledger.published, key) == LAST.at
        if last:
            assert windows_of(ledger.published, key)[-1][0] is None


def test_the_histories_contain_removals_failures_and_sub_events():
    seen = []

    @settings(max_examples=300, database=None)
    @given(history=histories(ahead=True))
    def look(history):
        seen.append(history)

    look()
    reads = [[event for event in history if isinstance(event, ReadEvent)] for history in seen]
    assert sum(len(history) > len(own) for history, own in zip(seen, reads, strict=True)) > 50
    assert sum(any(event.initial for event in own) for own in reads) > 50
    assert sum(any(not e.complete for event in own for e in event.entries) for own in reads) > 50
    assert len({event.suffix for own in reads for event in own}) == 3
    assert sum(any(event.generated > event.at for event in own) for own in reads) > 50
