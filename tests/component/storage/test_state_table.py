"""The stores of the State table on moto: values come back as written, no change is overwritten."""

from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.errors import NeverProjected, Unavailable, Unreadable
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ReadState, project
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.rate_limiting.domain.rate_limiter import probing_limiter
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Integration, Phase, ReconcileRun, StepOutcome
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import Ticket
from codat_hub.storage.items import ItemKey, Listed, Stored
from codat_hub.storage.state_table import StateTable
from tests.support.builders import COMPANY
from tests.support.fakes import FakeRateLimits, FakeReadStates
from tests.support.histories import PRODUCT, Ledger, a_read, at, entry, histories
from tests.support.interleaving import NOW
from tests.support.item_size import size_of
from tools.simulation.fakes import FakeStateTable
from tools.simulation.tables import create_table


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture(params=["real", "fake"])
def read_states(request):
    real = request.param == "real"
    return ReadStateStore(request.getfixturevalue("table")) if real else FakeReadStates()


@pytest.fixture(params=["real", "fake"])
def rate_limits(request):
    real = request.param == "real"
    return RateLimitNoticeStore(request.getfixturevalue("table")) if real else FakeRateLimits()


def test_only_the_reader_of_the_last_version_may_write(read_states):
    first, second = Ledger().take(a_read(1)).state, Ledger().take(a_read(2)).state
    assert read_states.get(COMPANY, PRODUCT)[1] == 0
    assert read_states.put(COMPANY, PRODUCT, first, 0) is True
    assert read_states.put(COMPANY, PRODUCT, second, 0) is False
    assert read_states.get(COMPANY, PRODUCT) == (first, 1)
    assert read_states.put(COMPANY, PRODUCT, second, 1) is True
    assert read_states.put(COMPANY, PRODUCT, first, 1) is False
    assert read_states.get(COMPANY, PRODUCT) == (second, 2)


def test_products_and_plain_reads_are_separate_items(read_states):
    states = {name: Ledger().take(a_read(n + 1)).state
              for n, name in enumerate([None, "standard", "a"])}  # fmt: skip
    for name, state in states.items():
        assert read_states.put(COMPANY, name, state, 0)
    assert {name: read_states.get(COMPANY, name)[0] for name in states} == states


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories())
def test_any_state_and_directory_entry_comes_back_as_written(table, history):
    ledger = Ledger().take(*history)
    states, companies = ReadStateStore(table), CompanyStore(table)
    _, version = states.get(COMPANY, PRODUCT)
    states.put(COMPANY, PRODUCT, ledger.state, version)
    assert states.get(COMPANY, PRODUCT) == (ledger.state, version + 1)
    _, version = companies.get(COMPANY)
    companies.put(ledger.company, version)
    assert companies.get(COMPANY) == (ledger.company, version + 1)


def test_the_products_that_plain_reads_name_are_kept(table):
    state = project(ReadState(), a_read(1, product=None), standard_products=("lending",)).state
    ReadStateStore(table).put(COMPANY, None, state, 0)
    assert ReadStateStore(table).get(COMPANY, None) == (state, 1)
    assert state.named == {"lending": at(1)}


@pytest.mark.parametrize("until", [None, at(24)])
def test_the_rate_limit_is_one_item(rate_limits, until):
    limit = RateLimitNotice(Stamp(at(1), "event"), until)
    assert rate_limits.get() == (None, 0)
    assert rate_limits.put(limit, 0) is True
    assert rate_limits.put(limit, 0) is False
    assert rate_limits.get() == (limit, 1)


def test_parking_notes_a_webhook_once(table):
    parking = ParkingStore(table)
    parking.park("msg_1", "odd", NOW, NOW)
    parking.park("msg_1", "odder", NOW, NOW + timedelta(days=90))
    parked = table.get(ItemKey("PARKED", "msg_1")).attributes
    assert parked["reason"] == "odd"
    assert int(parked["expires_at"]) == NOW.timestamp()


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "PutItem"),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutItem"),
        ConnectTimeoutError(endpoint_url="dynamodb"),
    ],
    ids=["throttled", "denied", "no answer"],
)
def test_any_refusal_of_dynamodb_is_unavailable(table, dynamodb, monkeypatch, fault):
    def fail(*_request):
        raise fault

    monkeypatch.setattr(dynamodb, "_make_api_call", fail)
    key = ItemKey("a", "b")
    reads = (
        lambda: table.get(key),
        lambda: table.get_many([key]),
        lambda: table.under(key),
        lambda: table.page(key, 10),
        lambda: table.listed("group"),
        lambda: table.latest("group"),
    )
    writes = (
        lambda: table.put(key, {}, 0),
        lambda: table.put_while(key, 1, [(key, {}, 0)]),
        lambda: table.delete(key),
    )
    for calls, text in ((reads, "was not read"), (writes, "was not written")):
        for call in calls:
            with pytest.raises(Unavailable, match=f"the state {text}"):
                call()


KEYS = st.builds(ItemKey, st.sampled_from(["a", "b"]), st.sampled_from(["x#1", "x#2", "y"]))
RANKS = st.none() | st.sampled_from(["1", "2", "3"])
VERSIONS = st.integers(0, 2)
LISTED = st.none() | st.builds(Listed, st.sampled_from(["g", "h"]), st.sampled_from(["1", "2"]))
PUTS = st.tuples(KEYS, st.just({"n": "v"}), VERSIONS, LISTED)
GUARD = ItemKey("guard", "x")
CALLS = st.one_of(
    st.tuples(st.just("put"), PUTS, st.just({})),
    st.tuples(
        st.just("put_while"),
        st.tuples(
            st.just(GUARD),
            st.integers(0, 1),
            st.lists(PUTS.map(lambda put: put[:3]), max_size=2, unique_by=lambda put: put[0]),
        ),
        st.just({}),
    ),
    st.tuples(st.just("get"), st.tuples(KEYS), st.just({})),
    st.tuples(st.just("get_many"), st.tuples(st.lists(KEYS, max_size=3)), st.just({})),
    st.tuples(st.just("under"), st.just((ItemKey("a", "x#"),)), st.just({})),
    st.tuples(
        st.just("listed"),
        st.just(("g",)),
        st.fixed_dictionaries({"after": RANKS, "up_to": RANKS, "limit": st.integers(1, 3)}),
    ),
    st.tuples(
        st.just("latest"),
        st.just(("g",)),
        st.fixed_dictionaries({"before": RANKS, "limit": st.integers(1, 3)}),
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=st.lists(CALLS, min_size=5, max_size=20))
def test_the_tests_table_in_memory_answers_as_dynamodb_does(dynamodb, calls):
    name = create_table(dynamodb, "StateTable")
    try:
        tables = FakeStateTable(), StateTable(dynamodb, name)
        for call, given_, options in calls:
            fake, real = (getattr(table, call)(*given_, **options) for table in tables)
            if call in {"listed", "latest"}:  # the order within a rank is open
                fake, real = ([rank for rank, _ in found] for found in (fake, real))
            assert fake == real
    finally:
        dynamodb.delete_table(TableName=name)


def test_an_item_over_400_kb_is_never_tried_again(table):
    with pytest.raises(NeverProjected):
        table.put(ItemKey("a", "b"), {"x": "x" * 500_000}, 0)


@pytest.mark.parametrize(
    ("types", "connections", "budget"),
    [(3, 1, 520), (6, 1, 660), (43, 1, 2_400), (43, 5, 10_800), (43, 20, 42_000)],
)
def test_a_read_state_stays_small(table, dynamodb, types, connections, budget):
    entries = [
        entry(f"banking-transactions-{kind:02}", f"d3c1a6f2-0b7e-4e3a-8a4f-{connection:012}")
        for kind in range(types)
        for connection in range(connections)
    ]
    event_id = "f7580941-2b3c-4a4d-98f5-60718293a4b5"
    ledger = Ledger().take(a_read(1, *entries, event_id=event_id), a_read(2, *entries, since=1))
    ReadStateStore(table).put(COMPANY, PRODUCT, ledger.state, 0)
    (item,) = dynamodb.scan(TableName="StateTable")["Items"]
    assert size_of({"M": item}) <= budget


class TestTheIndex:
    @pytest.fixture
    def listed(self, table):
        ranks = ["c", "a", "d", "b"]
        for rank in ranks:
            table.put(ItemKey("P", rank), {"of": rank}, 0, Listed("G", rank))
        table.put(ItemKey("P", "z"), {}, 0, Listed("H", "z"))
        table.put(ItemKey("P", "unlisted"), {}, 0)
        return table

    def test_a_group_is_listed_by_rank_page_by_page(self, listed):
        first = listed.listed("G", limit=3)
        assert first == [(rank, ItemKey("P", rank)) for rank in "abc"]
        assert [rank for rank, _ in listed.listed("G", after="c", limit=3)] == ["d"]
        assert listed.listed("G", after="d") == []
        assert [rank for rank, _ in listed.listed("G", after="a", limit=1)] == ["b"]

    def test_a_page_may_end_at_a_rank(self, listed):
        assert [rank for rank, _ in listed.listed("G", up_to="b")] == ["a", "b"]
        assert [rank for rank, _ in listed.listed("G", after="bb", up_to="c")] == ["c"]
        assert listed.listed("G", after="c", up_to="b") == []

    def test_an_item_written_without_a_place_is_no_longer_listed(self, listed):
        assert listed.put(ItemKey("P", "a"), {}, 1)
        assert [rank for rank, _ in listed.listed("G")] == ["b", "c", "d"]

    def test_its_place_in_the_index_is_no_attribute_of_an_item(self, listed):
        assert listed.get(ItemKey("P", "a")) == Stored({"of": "a"}, 1)


def test_many_items_are_read_at_once_and_absent_ones_left_out(table):
    keys = [ItemKey("P", f"{n:03}") for n in range(250)]
    for key in keys[::2]:
        table.put(key, {"n": key.sk}, 0)
    found = table.get_many([*keys, *keys])
    assert found == {key: Stored({"n": key.sk}, 1) for key in keys[::2]}


class LeavesOver:
    """A DynamoDB that answers one key at a time, or no key if it is stuck."""

    def __init__(self, client, answers):
        self._client, self._answers = client, answers

    def batch_get_item(self, RequestItems):  # noqa: N803
        (name, request), *_ = RequestItems.items()
        keys = request["Keys"]
        now, later = keys[: self._answers], keys[self._answers :]
        if not now:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        answer = self._client.batch_get_item(RequestItems={name: {**request, "Keys": now}})
        left = {name: {**request, "Keys": later}} if later else {}
        return {**answer, "UnprocessedKeys": left}


def test_keys_that_dynamodb_leaves_over_are_asked_for_a_few_more_times(table, dynamodb):
    keys = [ItemKey("P", str(n)) for n in range(5)]
    for key in keys:
        table.put(key, {}, 0)
    assert set(StateTable(LeavesOver(dynamodb, 2), "StateTable").get_many(keys)) == set(keys)
    with pytest.raises(Unavailable, match="keeps leaving over"):
        StateTable(LeavesOver(dynamodb, 0), "StateTable").get_many(keys)


def test_a_partition_is_read_by_the_start_of_its_sort_keys(table):
    for sk in ["A#1", "A#2", "B#1"]:
        table.put(ItemKey("P", sk), {"sk_": sk}, 0)
    found = table.under(ItemKey("P", "A#"))
    assert [(key.sk, stored.attributes["sk_"]) for key, stored in found] == [
        ("A#1", "A#1"),
        ("A#2", "A#2"),
    ]


class TestWhatCannotBeRead:
    """Items changed by hand, or by another version of the hub."""

    DUE = at(1)

    @pytest.fixture
    def tickets(self, table):
        kept = TicketStore(table)
        for company_id in ("c1", "c2"):
            assert kept.put(Ticket(company_id, "a", at(0), self.DUE, at(9)), 0)
        return kept

    def spoil(self, dynamodb, value):
        key = {"pk": {"S": "COMPANY#c1"}, "sk": {"S": "REFRESH#TICKET#a"}}
        name = next(iter(value))
        dynamodb.update_item(
            TableName="StateTable",
            Key=key,
            UpdateExpression="SET #n = :v" if value[name] else "REMOVE #n",
            ExpressionAttributeNames={"#n": name},
            **({"ExpressionAttributeValues": {":v": value[name]}} if value[name] else {}),
        )

    @pytest.mark.parametrize(
        "value",
        [
            {"status": {"S": "paused"}},
            {"status": None},
            {"due_at": {"N": "7"}},
            {"version": {"S": "seven"}},
            {"version": None},
        ],
        ids=str,
    )
    def test_the_other_items_of_a_batch_are_found(self, tickets, dynamodb, value):
        self.spoil(dynamodb, value)
        found = tickets.get_many([("c1", "a"), ("c2", "a"), ("nobody", "a")])
        assert list(found) == [("c2", "a")]
        assert found.unreadable == {("c1", "a")}
        assert [ticket.company_id for ticket, _ in tickets.of_company("c2")] == ["c2"]
        assert tickets.of_company("c1") == []

    def test_a_ticket_is_listed_for_later_and_otherwise_left_as_it_is(self, tickets, dynamodb):
        self.spoil(dynamodb, {"status": {"S": "paused"}})
        tickets.postpone("c1", "a", at(3))
        assert [due.company_id for due in tickets.due("a", at(2), 10)] == ["c2"]
        first, second = tickets.due("a", at(3), 10)
        assert (first.company_id, second.company_id) == ("c2", "c1")
        assert tickets.due("a", at(3), 10, after=first.place) == [second]
        self.spoil(dynamodb, {"status": {"S": "queued"}})
        assert tickets.get("c1", "a") == (Ticket("c1", "a", at(0), self.DUE, at(9)), 2)

    def test_the_error_names_the_item(self, tickets, dynamodb):
        self.spoil(dynamodb, {"status": {"S": "paused"}})
        with pytest.raises(Unreadable, match="COMPANY#c1 / REFRESH#TICKET#a"):
            tickets.get("c1", "a")

    def test_an_earlier_reconcile_does_not_hide_the_others(self, table):
        runs = ReconcileRunStore(table)
        for name in ("20261121-1", "20261122-1"):
            assert runs.put(ReconcileRun(name, "ann", NOW), 0)
        table.put(ItemKey("RECONCILE#20261121-1", "RUN"), {}, 1, Listed("RECONCILES", "20261121-1"))
        assert [run.reconcile_id for run in runs.latest()] == ["20261122-1"]

    def test_an_unreadable_limiter_can_be_replaced(self, table):
        limiters = RateLimiterStore(table)
        table.put(ItemKey("CODAT", "GATE"), {"calls": "many"}, 0)
        with pytest.raises(Unreadable):
            limiters.get()
        assert limiters.replace(probing_limiter(NOW))
        assert limiters.get() == (probing_limiter(NOW), 2)


def test_the_latest_of_a_group_come_first_page_by_page(table):
    for number in range(5):
        key = ItemKey("RUN", str(number))
        assert table.put(key, {}, 0, Listed("RUNS", str(number)))
    assert [rank for rank, _ in table.latest("RUNS", limit=2)] == ["4", "3"]
    assert [rank for rank, _ in table.latest("RUNS", before="3", limit=9)] == ["2", "1", "0"]
    assert table.latest("RUNS", before="0") == []


def test_read_states_are_read_together_by_pair_and_by_company(table):
    states = ReadStateStore(table)
    kept = {}
    for day, pair in enumerate([(COMPANY, None), (COMPANY, "a"), (COMPANY, "b"), ("other", "a")]):
        kept[pair] = Ledger().take(a_read(day + 1)).state
        assert states.put(*pair, kept[pair], 0)
    assert states.get_many([*kept, ("nobody", "a")]) == kept
    assert states.of_company(COMPANY) == [kept[COMPANY, product] for product in (None, "a", "b")]


class TestReconcileRuns:
    RUN = ReconcileRun("20261122-1", "ann", NOW)

    def test_a_run_comes_back_as_it_was_kept(self, table):
        runs = ReconcileRunStore(table)
        stepped = StepOutcome(
            Phase.DIRECTORY,
            "3:c",
            {"companies": 7},
            {"gbol": Integration("QBO", 2, 1), "x": Integration()},
            {"payables": 3},
            {"schedules": {"payments": 1}, "client_id": "c"},
        )
        drift = (Drift(DriftKind.WEBHOOK_MISSING, "d", "c", "p", "s"),)
        run = self.RUN.taken(NOW, timedelta(minutes=5)).after(stepped, drift, NOW)
        run = run.waiting(NOW).interrupted("HTTP 503", NOW)
        assert runs.get(run.reconcile_id) == (None, 0)
        assert runs.put(run, 0)
        assert runs.get(run.reconcile_id) == (run, 1)
        assert runs.put(run, 0) is False
        assert runs.latest() == [run]

    def test_only_one_begins_at_a_time(self, table):
        runs = ReconcileRunStore(table)
        assert runs.present() == (None, 0)
        assert runs.begin(self.RUN, 0)
        assert not runs.begin(ReconcileRun("other", "bob", NOW), 0)
        assert runs.present() == (self.RUN.reconcile_id, 1)
        assert runs.get("other") == (None, 0)

    def test_a_steps_second_note_replaces_its_first(self, table):
        runs = ReconcileRunStore(table)
        first = (Drift(DriftKind.COMPANY_UNKNOWN, "d", "c"),)
        second = (
            Drift(DriftKind.COMPANY_UNKNOWN, "d", "c", mended=True),
            Drift(DriftKind.QUOTA_LOW, "q"),
        )
        runs.note(self.RUN, first)
        assert runs.noted(self.RUN) == first
        runs.note(self.RUN, second)
        assert runs.noted(self.RUN) == second
        assert runs.drift(self.RUN, 0, 10) == [(0, second)]

    def test_exactly_the_companies_that_were_seen_are_known(self, table):
        runs = ReconcileRunStore(table)
        ids = [f"company-{number}" for number in range(250)]
        for step, some in enumerate((ids[:100], ids[100:200], ids[200:], [])):
            runs.see(replace(self.RUN, step=step), some)
            runs.see(replace(self.RUN, step=step), some)  # done again
        seen = runs.seen(self.RUN.reconcile_id)
        assert all(company in seen for company in ids)
        assert not any(f"other-{number}" in seen for number in range(1000))
