"""A full load that a person asked for is the next read, once for each data type."""

from dataclasses import replace
from itertools import count

import pytest

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company
from codat_hub.errors import Absent, Conflict
from codat_hub.product_events.adapters.full_load_store import KEY, FullLoadStore
from codat_hub.product_events.usecases.owe_full_load import OweFullLoad
from tests.support.builders import COMPANY
from tests.support.histories import PRODUCT, a_read, a_removal, as_webhook, at, entry
from tests.support.interleaving import World
from tools.simulation.fakes import FakeStateTable

OTHER = "other-product"


@pytest.fixture
def world():
    table = FakeStateTable()
    # Each look at the clock is ten seconds after the one before, so nothing is cached.
    world = World(full_loads=FullLoadStore(table, count(step=10).__next__))
    world.registry.registered = {PRODUCT: "custom", OTHER: "custom", "lending": "standard"}
    world.registry.data_types = {"lending": ("invoices",)}
    assert world.companies.put(Company(COMPANY), 0)
    for product in (PRODUCT, OTHER, "lending"):
        assigned = Assignment(COMPANY, product, AssignmentStatus.ASSIGNED, at(0))
        assert world.assignments.put(assigned, 0)
    return world


def owe(world, hours):
    return OweFullLoad(
        world.companies, world.assignments, world.registry, world.full_loads, lambda: at(hours)
    )


def read(world, hours, *entries, **changes):
    """Project a read that ended `hours` after the start; return which types are full loads."""
    changes.setdefault("event_id", f"event-{hours}-{changes.get('product', PRODUCT)}")
    world.projector()(as_webhook(a_read(hours, *entries, since=hours - 1, **changes)))
    event = world.bus.published[-1]
    return {known.key.data_type: window.full_load for known, window in event.windows}


def both():
    return entry(), entry("payments")


def of_one_company(world, hours):
    assert owe(world, hours).company(COMPANY, PRODUCT, "ann") == at(hours)


def of_all_companies(world, hours):
    assert owe(world, hours).all_companies(PRODUCT, "ann") == at(hours)


EITHER = pytest.mark.parametrize("ask", [of_one_company, of_all_companies])


@EITHER
def test_the_next_read_of_each_data_type_is_a_full_load_and_only_that(world, ask):
    read(world, 1, *both())
    assert read(world, 2, *both()) == {"invoices": False, "payments": False}
    ask(world, 2.5)
    assert read(world, 3, entry()) == {"invoices": True}
    assert read(world, 4, *both()) == {"invoices": False, "payments": True}
    assert read(world, 5, *both()) == {"invoices": False, "payments": False}


@EITHER
def test_another_product_of_the_company_is_not_affected(world, ask):
    read(world, 1, *both(), product=OTHER)
    ask(world, 2.5)
    assert read(world, 3, *both(), product=OTHER) == {"invoices": False, "payments": False}


@EITHER
def test_a_read_that_ended_before_the_wish_does_not_answer_it(world, ask):
    read(world, 1)
    ask(world, 2.5)
    assert read(world, 2) == {"invoices": False}
    assert read(world, 3) == {"invoices": True}


@EITHER
def test_a_full_load_for_another_reason_answers_it(world, ask):
    read(world, 1)
    ask(world, 2.5)
    assert read(world, 3, subs=frozenset({"initial"})) == {"invoices": True}
    assert read(world, 4) == {"invoices": False}


@EITHER
def test_asking_twice_before_the_next_read_costs_one_full_load(world, ask):
    read(world, 1)
    ask(world, 2.2)
    ask(world, 2.5)
    assert read(world, 3) == {"invoices": True}
    assert read(world, 4) == {"invoices": False}


@EITHER
def test_a_product_that_is_off_gets_none(world, ask):
    read(world, 1)
    world.projector()(as_webhook(a_removal(2)))
    assignment, version = world.assignments.get(COMPANY, PRODUCT)
    gone = replace(assignment.with_removal(at(2)), status=AssignmentStatus.REMOVING)
    assert world.assignments.put(gone, version)
    ask(world, 2.5)
    published = len(world.bus.published)
    world.projector()(as_webhook(a_read(3, since=2)))
    assert len(world.bus.published) == published


def test_a_standard_product_is_owed_its_registered_data_types_in_a_plain_read(world):
    read(world, 1, *both(), product=None)
    assert read(world, 2, *both(), product=None) == {"invoices": False, "payments": False}
    owe(world, 2.5).all_companies("lending", "ann")
    assert read(world, 3, *both(), product=None) == {"invoices": True, "payments": False}


def test_a_change_of_the_assignment_at_the_same_moment_is_kept(world, monkeypatch):
    put, states = world.assignments.put, []

    def put_after_another(assignment, version):
        if not states:
            other = replace(assignment, full_load_owed_at=None, added_at=at(2.4))
            states.append(put(other, version))
        return put(assignment, version)

    monkeypatch.setattr(world.assignments, "put", put_after_another)
    of_one_company(world, 2.5)
    assignment, _ = world.assignments.get(COMPANY, PRODUCT)
    assert (assignment.added_at, assignment.full_load_owed_at) == (at(2.4), at(2.5))


@pytest.mark.parametrize("product", ["none", PRODUCT])
def test_an_unknown_product_or_company_is_refused(world, product):
    company = "unknown" if product == PRODUCT else COMPANY
    with pytest.raises(Absent):
        owe(world, 1).company(company, product, "ann")


def test_a_company_without_the_product_is_refused_unless_codat_has_it(world):
    assert world.companies.put(Company("b", products=(OTHER,)), 0)
    with pytest.raises(Conflict):
        owe(world, 1).company("b", PRODUCT, "ann")
    owe(world, 1).company("b", OTHER, "ann")
    assignment, _ = world.assignments.get("b", OTHER)
    assert (assignment.status, assignment.full_load_owed_at) == (AssignmentStatus.ABSENT, at(1))


class TestTheItemOfAllProducts:
    def test_products_are_kept_beside_each_other(self, world):
        owe(world, 1).all_companies(PRODUCT, "ann")
        owe(world, 2).all_companies(OTHER, "ann")
        assert world.full_loads.owed() == {PRODUCT: at(1), OTHER: at(2)}

    def test_it_is_read_at_most_every_five_seconds(self):
        table, now = FakeStateTable(), [0.0]
        store = FullLoadStore(table, lambda: now[0])
        assert store.owed() == {}
        assert FullLoadStore(table).put({PRODUCT: at(1)}, 0)
        now[0] = 4.9
        assert store.owed() == {}
        now[0] = 5.0
        assert store.owed() == {PRODUCT: at(1)}

    def test_an_item_that_cannot_be_read_costs_itself_and_no_event(self, world):
        table = FakeStateTable()
        table.put(KEY, {"products": {PRODUCT: "soon"}}, 0)
        world.full_loads = FullLoadStore(table)
        assert read(world, 1) == {"invoices": True}
