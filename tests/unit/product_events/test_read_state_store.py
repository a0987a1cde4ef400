"""Read states that an earlier version of the hub stored are read, and their reads recognised."""

from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ProjectionOutcome, project
from codat_hub.storage.items import ItemKey
from tests.support.builders import COMPANY
from tests.support.histories import PRODUCT, Ledger, a_read, entry
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
    assert table.get(KEY).attributes == STORED


def test_a_sub_event_of_a_stored_read_is_not_published_again():
    table = FakeStateTable()
    table.put(KEY, STORED, 0)
    state, version = ReadStateStore(table).get(COMPANY, PRODUCT)
    assert (state, version) == (Ledger().take(*READS).state, 1)
    sub_event = a_read(1, *READS[0].entries, event_id="sub-event", subs=frozenset({"successful"}))
    assert project(state, sub_event).outcome is ProjectionOutcome.FOLDED


def test_a_read_dated_ahead_is_stored_with_its_date_beside_the_reads():
    table, read = FakeStateTable(), a_read(1, ahead=23.5)
    state = Ledger().take(read, a_read(2, since=1)).state
    ReadStateStore(table).put(COMPANY, PRODUCT, state, 0)
    stored = table.get(KEY).attributes
    assert [len(row) for row in stored["reads"]] == [3, 3], "the version before reads them too"
    assert stored["generated"] == {"0": "2026-07-02T00:30:00.000000+00:00"}
    assert ReadStateStore(table).get(COMPANY, PRODUCT)[0] == state
