"""A team that filters plain reads by the name of its product misses no data."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.product_events.domain.read_event import ReadEntry
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from tests.support.builders import COMPANY, an_event
from tests.support.histories import KEYS, a_read, a_removal, as_webhook, at, entry, windows_of
from tests.support.interleaving import World, run

STANDARD = ["bank-feeds", "lending"]


@pytest.fixture
def world():
    return a_world()


def a_world():
    world = World()
    world.registry.registered = dict.fromkeys(STANDARD, "standard") | {"ours": "custom"}
    return world


def has_products(hour, *products):
    """Return Codat's event of the company's products, `hour` hours after the start."""
    payload = {"id": COMPANY, "name": "H", "products": list(products)}
    envelope = {"id": f"products-{hour}", "generatedDate": at(hour).isoformat()}
    return StoredWebhook(f"msg-c-{hour}", an_event("company.created", payload, **envelope))


def a_plain_read(hour, *entries):
    return as_webhook(a_read(hour, *entries, product=None, since=hour - 1))


def read(world, hour, *entries):
    """Project a read; return its products, and for each type whether it is a full load."""
    world.projector()(a_plain_read(hour, *entries))
    event = world.bus.published[-1]
    windows = {e.key.data_type: window.full_load for e, window in event.windows}
    return set(event.standard_products), windows


def test_a_product_learned_late_gets_a_full_load_of_every_type(world):
    invoices, payments = entry(), entry("payments")
    assert read(world, 1, invoices, payments) == (
        set(), {"invoices": True, "payments": True}
    )  # fmt: skip
    world.projector()(has_products(0, "lending"))
    assert read(world, 2, invoices) == ({"lending"}, {"invoices": True})
    assert read(world, 3, invoices, payments)[1] == {"invoices": False, "payments": True}
    assert read(world, 4, invoices, payments)[1] == {"invoices": False, "payments": False}


def test_an_added_or_returned_product_gets_a_full_load_and_a_removed_one_none(world):
    world.projector()(has_products(0, "lending"))
    assert read(world, 1) == ({"lending"}, {"invoices": True})
    world.projector()(has_products(1.5, "lending", "bank-feeds"))
    assert read(world, 2) == ({"lending", "bank-feeds"}, {"invoices": True})
    world.projector()(has_products(2.5, "bank-feeds"))
    assert read(world, 3) == ({"bank-feeds"}, {"invoices": False})
    world.projector()(has_products(3.5, "lending", "bank-feeds"))
    assert read(world, 4)[1] == {"invoices": True}
    assert read(world, 5)[1] == {"invoices": False}


def changed(hour, change, product):
    """Return Codat's event that a product was added or removed; its list lacks it in between."""
    payload = {"id": COMPANY, "productId": product}
    payload["products"] = [product] if change == "added" else []
    envelope = {"id": f"{change}-{hour}", "generatedDate": at(hour).isoformat()}
    body = an_event(f"company.product.{change}", payload, **envelope)
    return StoredWebhook(f"msg-{change}-{hour}", body)


def test_a_product_removed_and_added_between_two_reads_gets_its_own_types_in_full(world):
    world.registry.data_types = {"lending": ("invoices",)}
    both = entry(), entry("payments")
    world.projector()(has_products(0, "lending"))
    read(world, 1, *both)
    world.projector()(changed(1.2, "removed", "lending"))
    world.projector()(changed(1.4, "added", "lending"))
    assert read(world, 2, *both) == ({"lending"}, {"invoices": True, "payments": False})
    assert read(world, 3, *both)[1] == {"invoices": False, "payments": False}


@pytest.mark.parametrize("events", [True, False], ids=["with codat's events", "without"])
def test_a_product_that_the_hub_removed_and_added_gets_one_full_load(world, events):
    world.registry.data_types = {"lending": ("invoices",)}
    world.projector()(has_products(0, "lending"))
    read(world, 1)
    removed_and_added = Assignment(
        COMPANY, "lending", AssignmentStatus.ASSIGNED, at(1.3), None, None, None, at(1.3), at(1.2)
    )
    world.assignments.put(removed_and_added, 0)
    if events:
        world.projector()(changed(1.21, "removed", "lending"))
        world.projector()(changed(1.31, "added", "lending"))
    assert read(world, 2)[1] == {"invoices": True}
    assert read(world, 3)[1] == {"invoices": False}


def test_a_late_read_names_a_product_and_the_next_read_is_a_full_load(world):
    read(world, 3, entry(status="FetchError"))
    world.projector()(has_products(0, "lending"))
    assert read(world, 2) == ({"lending"}, {"invoices": True})
    assert read(world, 4)[1] == {"invoices": True}


def test_after_a_lost_race_a_product_learned_meanwhile_is_named_too(world, monkeypatch):
    put = world.read_states.put

    def put_after_the_company_was_learned(*arguments):
        monkeypatch.setattr(world.read_states, "put", put)
        world.projector()(has_products(0, "lending"))
        read(world, 2, entry("payments"))
        return put(*arguments)

    monkeypatch.setattr(world.read_states, "put", put_after_the_company_was_learned)
    assert read(world, 1) == ({"lending"}, {"invoices": True})
    keys = [event.event_key for event in world.bus.published if event.read.at == at(1)]
    assert (len(keys), len(set(keys))) == (2, 1)  # a repeat, for a team that has seen the first


@st.composite
def plain_histories(draw):
    """Draw plain reads with changes of the company's products and connections in between."""
    history = []
    for hour in range(1, draw(st.integers(2, 6))):
        if draw(st.booleans()):
            products = draw(st.lists(st.sampled_from([*STANDARD, "ours"]), unique=True))
            history.append(has_products(hour - 0.5, *products))
        if draw(st.integers(0, 5)) == 0:
            history.append(as_webhook(a_removal(hour - 0.3, connection="a")))
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
        statuses = st.sampled_from(["Complete", "Complete", "FetchError"])
        history.append(a_plain_read(hour, *(ReadEntry(key, draw(statuses), True) for key in keys)))
    return history


LAST = a_plain_read(500, *(ReadEntry(key, "Complete", True) for key in KEYS))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), history=plain_histories())
def test_the_events_that_name_a_product_have_all_its_data_in_any_order(data, history):
    world = a_world()
    again = data.draw(st.lists(st.sampled_from(history), max_size=3))
    mixed = data.draw(st.permutations([*history, *again]))
    webhooks = [replace(webhook, webhook_id=f"msg-{n}") for n, webhook in enumerate(mixed)]
    crashes = iter(data.draw(st.lists(st.booleans(), max_size=20)))
    choices = iter(data.draw(st.lists(st.integers(0, 1), max_size=60)))
    world.bus.refusals = data.draw(st.integers(0, 2))
    run(world, webhooks, lambda: next(choices, 0), lambda: next(crashes, False))
    run(world, [LAST], lambda: 0)
    for product in world.companies.get(COMPANY)[0].products:
        named = [event for event in world.bus.published if product in event.standard_products]
        once = list({event.event_key: event for event in reversed(named)}.values())
        for key in KEYS:
            assert product == "ours" or everything_until(once, key) == at(500)


def everything_until(published, key):
    """Follow the incremental windows from the newest full load on."""
    windows = windows_of(published, key)
    until = max((end for start, end in windows if start is None), default=None)
    for start, end in sorted(window for window in windows if window[0] is not None):
        until = max(until, end) if until is not None and start <= until else until
    return until
