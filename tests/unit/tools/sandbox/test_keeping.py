"""The seed decides the first state, and a file keeps the state over a restart."""

import dataclasses

import pytest
from pydantic import ValidationError

from tests.support.sandbox.worlds import START, Receiver, a_consumer, a_simulation, advance
from tools.sandbox import persistence
from tools.sandbox.companies import products
from tools.sandbox.options import Options
from tools.sandbox.persistence import Snapshot
from tools.sandbox.requests.idempotency import KeptAnswer, KeyEntry
from tools.sandbox.world.seed import CUSTOM, seeded_state


def test_the_seed_decides_the_companies():
    first, again = (seeded_state(Options(companies=30), START) for _ in range(2))
    other = seeded_state(Options(companies=30, seed=8), START)
    assert first == again
    assert set(first.companies).isdisjoint(other.companies)


def test_the_seed_has_every_kind_of_company_connection_and_schedule():
    state = seeded_state(Options(companies=20, failing_share=0.1), START)
    companies = list(state.companies.values())
    statuses = {link.status for company in companies for link in company.connections.values()}
    assert statuses == {"Linked", "PendingAuth", "Unlinked", "Deauthorized"}
    assert {len(company.connections) for company in companies} == {1, 2}
    assert all("lending" in company.products for company in companies)
    for product in CUSTOM:
        assigned = [product in company.products for company in companies]
        assert any(assigned)
        assert not all(assigned)
    schedules = [setting.sync_schedule for setting in state.client_settings.settings]
    assert schedules.count(0) == 1
    assert len(set(schedules)) > 3
    assert any(company.override for company in companies)
    assert sum(bool(company.trouble) for company in companies) == 2
    assert state.products[CUSTOM[0]].data_types != state.products[CUSTOM[1]].data_types
    assert "payments" in set(state.products[CUSTOM[0]].data_types) & set(
        state.products[CUSTOM[1]].data_types
    )


def test_everything_survives_a_restart(tmp_path):
    simulation = a_simulation(Receiver(answer=500), companies=6)
    a_consumer(simulation, "invoice-finance.read.completed")
    company = next(iter(simulation.world.state.companies.values()))
    products.refresh(simulation.world, company, "invoice-finance", {})
    advance(simulation, 1)
    keys = {"done": KeyEntry("f", START, KeptAnswer(200, "{}")), "under way": KeyEntry("f", START)}
    snapshot = Snapshot(simulation.world.state, simulation.office.state, keys, last_request=7)
    path = tmp_path / "deep" / "state.json"
    persistence.save(path, snapshot)
    loaded = persistence.load(path)
    assert loaded == dataclasses.replace(snapshot, keys={"done": keys["done"]})
    assert loaded.world.companies[company.id].reads


def test_without_a_file_nothing_is_loaded_and_another_file_is_refused(tmp_path):
    assert persistence.load(tmp_path / "none.json") is None
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ValidationError):
        persistence.load(tmp_path / "other.json")
