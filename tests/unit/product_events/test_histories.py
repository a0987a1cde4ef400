"""Hundreds of histories, shuffled and repeated, end in one state and leave no gap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent
from tests.support.histories import (
    KEYS,
    Ledger,
    a_read,
    covered_until,
    histories,
    newest_complete,
    shuffled,
)

LAST = a_read(1000, *(ReadEntry(key, "Complete", True) for key in KEYS), since=999)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True))
def test_any_order_with_repeats_ends_in_the_same_state(data, history):
    straight, mixed = Ledger().take(*history), Ledger().take(*shuffled(data.draw, history))
    assert mixed.facts == straight.facts
    # The next read answers a removal that was learned last; after it nothing differs.
    assert mixed.take(LAST).state == straight.take(LAST).state


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=histories(ahead=True))
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
@given(data=st.data(), history=histories(ahead=True))
def test_after_a_removal_the_next_read_is_a_full_load_in_any_order(data, history):
    ledger = Ledger().take(*shuffled(data.draw, history))
    known = {(key, state.covered) for key, state in ledger.state.keys.items()}
    ledger.take(LAST)
    for key, covered in known:
        removed = ledger.company.removed_at("invoice-finance", key.connection_id)
        (window,) = [window for entry, window in ledger.published[-1].windows if entry.key == key]
        if removed and removed != covered:
            assert window.full_load


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
