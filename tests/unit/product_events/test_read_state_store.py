"""Read states that an earlier version of the hub stored are read, and their reads recognised."""

import pytest
from boto3.dynamodb.types import TypeSerializer

from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.product_event import FULL_LOAD
from codat_hub.product_events.domain.read_event import ReadEntry, ReadKey
from codat_hub.product_events.domain.read_state import (
    MAX_KEYS,
    KeyState,
    KnownRead,
    ProjectionOutcome,
    ReadState,
    project,
)
from codat_hub.storage.items import ItemKey
from tests.support.builders import COMPANY
from tests.support.histories import PRODUCT, Ledger, a_read, at, entry, facts_of
from tests.support.item_size import size_of
from tools.simulation.fakes import FakeStateTable

READS = (
    a_read(1, entry(), entry("payments", "b")),
    a_read(2, entry(status="FetchError"), since=1),
)
# Written by the hub before its classes were renamed.
STORED = {
    "company_id": COMPANY,
    "product": PRODUCT,
    "last_read_at": "2026-07-01T02:00:00.000000+00:00",
    "reads": [
        ["2026-07-01T01:00:00.000000+00:00", "f070be5f735fab09", {"base": "event-1"}],
        ["2026-07-01T02:00:00.000000+00:00", "c76a29488e8df659", {"base": "event-2"}],
    ],
    "keys": {
        "a": {"invoices": ["FetchError", 1, 0, None]},
        "b": {"payments": ["Complete", 0, 0, None]},
    },
}
KEY = ItemKey(f"COMPANY#{COMPANY}", f"READS#{PRODUCT}")


def test_a_state_is_stored_in_the_same_form():
    table = FakeStateTable()
    assert ReadStateStore(table).put(COMPANY, PRODUCT, Ledger().take(*READS).state, 0)
    stored = {name: value for name, value in table.get(KEY).attributes.items() if value is not None}
    assert stored == STORED | {"full_load_at": "2026-07-01T01:00:00.000000+00:00"}


def test_full_loads_at_several_times_and_none_are_kept():
    table, fetch_error = FakeStateTable(), entry("company", status="FetchError")
    ledger = Ledger().take(a_read(1, entry(), entry("payments")), a_read(2, entry("bills", "c")))
    state = ledger.take(a_read(3, fetch_error, entry(), since=None)).state
    assert len({known.full_load_at for known in state.keys.values()}) == 4
    ReadStateStore(table).put(COMPANY, PRODUCT, state, 0)
    assert ReadStateStore(table).get(COMPANY, PRODUCT)[0] == state


def test_a_sub_event_of_a_stored_read_is_not_published_again():
    table = FakeStateTable()
    table.put(KEY, STORED, 0)
    state, version = ReadStateStore(table).get(COMPANY, PRODUCT)
    assert (facts_of(state), version) == (Ledger().take(*READS).facts[0], 1)
    sub_event = a_read(1, *READS[0].entries, event_id="sub-event", subs=frozenset({"successful"}))
    assert project(state, sub_event).outcome is ProjectionOutcome.FOLDED


@pytest.mark.parametrize(("answered", "full"), [(None, True), (1.5, False), (1.2, True)])
def test_a_reset_that_the_version_before_answered_is_not_answered_again(answered, full):
    table = FakeStateTable()
    row = ["Complete", 0, 0, None if answered is None else at(answered).isoformat()]
    table.put(KEY, STORED | {"keys": {"a": {"invoices": row}}}, 0)
    state, _ = ReadStateStore(table).get(COMPANY, PRODUCT)
    read = a_read(3, since=2)
    window = project(state, read, lambda _: [at(1.5)]).published.windows[0][1]
    assert window.full_load is full


def test_a_read_dated_ahead_is_stored_with_its_date_beside_the_reads():
    table, read = FakeStateTable(), a_read(1, ahead=23.5)
    state = Ledger().take(read, a_read(2, since=1)).state
    ReadStateStore(table).put(COMPANY, PRODUCT, state, 0)
    stored = table.get(KEY).attributes
    assert [len(row) for row in stored["reads"]] == [3, 3], "the version before reads them too"
    assert stored["generated"] == {"0": "2026-07-02T00:30:00.000000+00:00"}
    assert ReadStateStore(table).get(COMPANY, PRODUCT)[0] == state


def test_the_largest_state_is_far_below_the_limit_of_an_item():
    keys = [ReadKey(f"data-type-{n % 43:017}", f"{n // 43:036}") for n in range(MAX_KEYS)]
    suffixes = ["", "initial successful", "initial successful unsuccessful"]
    reads, known = [], {}
    for number, key in enumerate(keys):
        seen = {suffix: f"{number:034}{place}" for place, suffix in enumerate(suffixes)}
        error, complete = (
            KnownRead(at(number + half), "f" * 16, seen, at(number + half)) for half in (0.5, 0)
        )
        reads += [complete, error]
        known[key] = KeyState("FetchError", error.read_id, complete.read_id, at(1))
    full = ReadState(known, tuple(reads))
    newest = keys[-1]
    read = a_read(2000, ReadEntry(newest, "Complete", True), since=1999, event_id="e" * 256)
    table = FakeStateTable()
    state = project(full, read).state
    ReadStateStore(table).put(COMPANY, PRODUCT, state, 0)
    stored = TypeSerializer().serialize(without_none(table.get(KEY).attributes))
    assert 150_000 < size_of(stored) < 300_000
    assert newest in state.keys
    assert keys[0] not in state.keys
    dropped = a_read(2001, ReadEntry(keys[0], "Complete", True), since=1999)
    assert project(state, dropped).published.windows[0][1] == FULL_LOAD


def without_none(attributes):
    return {name: value for name, value in attributes.items() if value is not None}
