"""Histories in any order and with repeats end in the deployed stack as they do in memory."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.product_events.domain.read_event import ReadEntry
from tests.support.histories import (
    KEYS,
    Ledger,
    a_read,
    a_removal,
    an_addition,
    at,
    entry,
    facts_of,
    histories,
    newest_complete,
    shuffled,
)
from tests.support.system.projection import covered_until, of, windows

HISTORY = [
    a_read(1, entry(), entry("payments"), entry(connection_id="b"), since=None),
    replace(a_read(1.01, entry(), entry("payments"), entry(connection_id="b"), since=None),
            subs=frozenset({"initial"})),
    a_read(2, entry(), entry("payments", status="FetchError"), since=1),
    a_removal(2.5, connection="b"),
    a_read(3, entry(), entry("payments"), entry(connection_id="b", status="AuthError"), since=1),
    a_read(4, entry(status="MapError"), entry("company"), since=3),
    an_addition(4.5),
    a_read(5, entry(), entry("payments"), entry(connection_id="b"), since=3),
    a_read(6, entry("payments"), entry(connection_id="b", status="NotSupported"), since=5),
]  # fmt: skip
LAST = a_read(100, *(entry(kind, where) for kind in ("invoices", "payments", "company")
                     for where in "ab"), since=99)  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_a_history_in_any_order_with_repeats_ends_as_in_the_domain(projection, company, seed):
    rng = random.Random(seed)
    mixed = [*HISTORY, *rng.sample(HISTORY, 4)]
    rng.shuffle(mixed)
    with ThreadPoolExecutor(3) as pool:
        sent = list(pool.map(lambda event: projection.send(event, company), mixed))
    projection.projected(*sent)
    ledger = Ledger().take(*(of(event, company) for event in HISTORY))
    state, _ = projection.state(company)
    assert facts_of(state) == ledger.facts[0]
    assert CompanyStore(projection.table).get(company)[0].removed_connections == {"b": at(2.5)}
    projection.projected(projection.send(LAST, company))
    details = projection.details(company)
    for kind in ("invoices", "payments", "company"):
        for where in "ab":
            assert covered_until(details, kind, where) == LAST.at
    occurred = [detail["occurred_at"] for detail in details]
    assert len(set(occurred)) == len(occurred)
    newest = newest_complete(HISTORY, LAST.entries[0].key)
    assert newest in {until for _, until in windows(details, "invoices")}


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data(), history=histories())
def test_any_history_ends_as_in_memory(projection, data, history):
    company = str(uuid.uuid4())
    mixed = shuffled(data.draw, history)
    ids = [f"msg-{number}-{company}" for number in range(len(mixed))]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(projection.send, mixed, [company] * len(mixed), ids))
    projection.projected(*ids)
    ledger = Ledger().take(*(of(event, company) for event in history))
    state, _ = projection.state(company)
    assert facts_of(state) == ledger.facts[0]
    directory, _ = CompanyStore(projection.table).get(company)
    assert directory.removed_connections == ledger.company.removed_connections
    assert directory.added_products == ledger.company.added_products
    details = projection.details(company)
    for key in KEYS:
        until, newest = covered_until(details, *key), newest_complete(history, key)
        assert (until is None) == (newest is None)
        assert until is None or until >= newest
    last = a_read(1000, *(ReadEntry(key, "Complete", True) for key in KEYS), since=999)
    projection.projected(projection.send(last, company))
    state, _ = projection.state(company)
    # Which read was a full load depends on the order; after one more read none is owed.
    assert facts_of(state) == ledger.take(of(last, company)).facts[0]
    assert Ledger(state, directory).owed(last) == set()
    for key in KEYS:
        assert covered_until(projection.details(company), *key) == last.at
