"""A person asks for a refresh, looks at it, cancels it, or reads why it is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import OutcomeUnknown
from codat_hub.companies.domain.consent import Consent
from codat_hub.errors import Absent, Conflict, Invalid
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.refresh.usecases.refresh_now import RefreshNow
from tools.simulation.refresh_world import MINUTE, START, World, a_product

BY = "arn:aws:iam::1:user/p"


@pytest.fixture
def world():
    world = World()
    world.register(
        a_product("a", data_types=("invoices",)), Product("lending", ProductKind.STANDARD)
    )
    world.assign("c1", "a")
    world.assign("unlinked", "a", linked=False)
    world.assign("no-consent", "a", consented=False)
    world.assign("plain", "a")
    world.absent("plain", "a")
    return world


@pytest.fixture
def planned():
    return []


@pytest.fixture
def now(world, planned):
    return RefreshNow(
        world.tickets,
        world.assignments,
        world.companies,
        world.registry,
        world.queue,
        lambda *asked: planned.append(asked),
        world.now,
    )


def test_it_starts_at_once_without_a_dispatcher(world, now):
    ticket = now.company("c1", "a", None, BY)
    assert (ticket.status, ticket.requested_by) == (TicketStatus.SENT, BY)
    world.run_until(START)
    assert now.show("c1", "a").status is TicketStatus.ACCEPTED


def test_asked_twice_it_is_one_refresh(world, now):
    first = now.company("c1", "a", None, BY)
    assert now.company("c1", "a", ("invoices",), BY) == first
    world.run_until(START + MINUTE)
    assert len(world.codat.calls) == 1


def test_a_ticket_that_waits_goes_at_once(world, now):
    world.opened(status=TicketStatus.BUSY, due_at=START + 60 * MINUTE)
    now.company("c1", "a", None, BY)
    world.run_until(START)
    assert now.show("c1", "a").status is TicketStatus.ACCEPTED


@pytest.mark.parametrize(
    ("company_id", "product", "data_types", "error", "says"),
    [
        ("c1", "unregistered", None, Absent, "tools/hub products list"),
        ("c1", "lending", None, Conflict, "standard"),
        ("c1", "a", ("bills",), Invalid, "data_types"),
        ("c1", "a", (), Invalid, "leave it out"),
        ("unknown", "a", None, Absent, "unknown"),
        ("unlinked", "a", None, Conflict, "linked"),
        ("no-consent", "a", None, Conflict, "tools/hub consents grant no-consent a"),
        ("plain", "a", None, Conflict, "tools/hub companies add-product plain a"),
    ],
)
def test_a_refused_refresh_says_what_to_do(
    now, world, company_id, product, data_types, error, says
):
    with pytest.raises(error, match=says):
        now.company(company_id, product, data_types, BY)
    assert world.queue.sent == 0


def test_cancelled_it_makes_no_call_and_a_repeat_changes_nothing(world, now):
    now.company("c1", "a", None, BY)
    assert now.stop("c1", "a", BY).status is TicketStatus.CANCELLED
    writes = world.table.writes
    assert now.stop("c1", "a", BY).status is TicketStatus.CANCELLED
    assert world.table.writes == writes
    world.run_until(START + MINUTE)
    assert world.codat.calls == []


def test_by_client_level_settings_only_until_the_company_has_products(world, now):
    with pytest.raises(Conflict, match="product-level"):
        now.client_level("c1", None, BY)
    assert now.client_level("plain", ("invoices",), BY).product is None
    world.run_until(START)
    assert now.show("plain", None).status is TicketStatus.ACCEPTED


def test_a_refresh_of_a_whole_product_starts_the_planner(now, planned):
    assert now.all_companies("a", BY) == START
    assert planned == [("a", START, BY)]


def test_the_slot_that_was_served_stays_served(world, now):
    world.planner("a", START, lambda: True)
    world.dispatching().run_until(START + 60 * MINUTE)
    assert len(world.codat.accepted) == 1
    now.company("c1", "a", None, BY)
    assert world.planner("a", START, lambda: True).run is None
    assert now.show("c1", "a").slot == START


def test_a_ticket_that_a_schedule_sent_goes_at_once_and_becomes_the_persons(world, now):
    for number in range(600):
        world.assign(f"other{number}", "a")
        world.opened(f"other{number}")
    world.opened(due_at=START)
    world.dispatcher()
    assert world.ticket().status is TicketStatus.SENT
    ticket = now.company("c1", "a", None, BY)
    assert ticket.requested_by == BY  # so that no reserve and no disabled schedule stops it
    world.run_until(START)
    assert now.show("c1", "a").status is TicketStatus.ACCEPTED
    world.run_until(START + MINUTE)
    assert [company_id for company_id, _, _ in world.codat.accepted].count("c1") == 1


def test_asked_while_the_schedules_call_is_under_way_it_is_read_once(world, now):
    world.opened()
    world.dispatcher()

    def ask(*_):
        world.codat.fault = lambda *_: None
        now.company("c1", "a", None, BY)

    world.codat.fault = ask
    world.dispatching().run_until(START + 30 * MINUTE)
    assert len(world.codat.accepted) == 1
    assert len(set(world.codat.keys)) == 1
    assert now.show("c1", "a").status is TicketStatus.COMPLETED


@pytest.mark.parametrize("left", [timedelta(0), MINUTE], ids=["over", "near"])
def test_a_persons_wish_does_not_end_with_the_deadline_of_what_was_open(world, now, left):
    world.codat.read("c1", None, 10 * MINUTE)
    world.opened(status=TicketStatus.BUSY, failure=Failure("busy"), deadline=START + left)
    now.company("c1", "a", None, BY)
    world.dispatching().run_until(START + 12 * MINUTE)
    assert now.show("c1", "a").status in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}


def test_another_body_never_goes_with_the_key_of_a_call_whose_answer_was_lost(world, now):
    consent = Consent("a", START, "an owner", "1", ("invoices", "bills"))
    known, version = world.assignments.get("c1", "a")
    assert world.assignments.put(replace(known, consent=consent), version)
    _, version = world.registry.read()
    world.registry.replace([a_product("a", data_types=("invoices", "bills"))], version)

    def lose(*_):
        raise OutcomeUnknown("no answer")

    world.codat.fault = lose
    for data_types in (("invoices",), ("invoices",), ("bills",), None, None):
        now.company("c1", "a", data_types, BY)
        world.run_until(START)
    first, same, widened, all_of_it, still = world.codat.keys
    assert first == same
    assert all_of_it == still
    assert len({first, widened, all_of_it}) == 3
