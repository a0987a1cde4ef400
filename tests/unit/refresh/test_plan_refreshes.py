"""A slot's tickets: which companies get one, when it is due, and what an interruption costs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.products.domain.product import Schedule
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.refresh_run import OWNED_FOR
from codat_hub.refresh.domain.ticket import TicketStatus
from tools.simulation.refresh_world import DAILY, MINUTE, START, Died, World, a_product

SLOT = START
HOUR = timedelta(hours=1)
HOURLY = Schedule("cron(0 * * * ? *)")
PERSON = "arn:aws:iam::1:user/p"


def always():
    return True


@pytest.fixture
def world():
    world = World()
    world.register(a_product("a"))
    return world


def with_companies(world, count):
    for number in range(count):
        world.assign(f"c{number:04}", "a")
    return world


def opened(world):
    keys = (key for key in world.table.items if key.sk == "REFRESH#TICKET#a")
    return sorted(key.pk.removeprefix("COMPANY#") for key in keys)


def test_a_company_with_product_consent_and_connection_gets_a_ticket(world):
    world.assign("has-all", "a")
    world.assign("no-consent", "a", consented=False)
    world.assign("unlinked", "a", linked=False)
    world.assign("removed", "a")
    world.absent("removed", "a")
    planned = world.planner("a", SLOT, always)
    assert opened(world) == ["has-all"]
    assert planned.run.done
    assert planned.opened == 1


def test_tickets_are_due_within_the_jitter_window_and_end_before_the_next_slot(world):
    with_companies(world, 200).planner("a", SLOT, always)
    tickets = [world.ticket(company, "a") for company in opened(world)]
    waits = [ticket.due_at - SLOT for ticket in tickets]
    assert timedelta() <= min(waits) < MINUTE
    assert 4 * MINUTE < max(waits) <= 5 * MINUTE
    assert {ticket.deadline for ticket in tickets} == {SLOT + timedelta(hours=14)}
    world.register(a_product("a", Schedule("rate(6 hours)")))
    world.planner("a", SLOT + 6 * HOUR, always)
    assert world.ticket("c0000", "a").deadline == SLOT + 12 * HOUR


def test_a_finished_run_is_not_repeated(world):
    with_companies(world, 3).planner("a", SLOT, always)
    writes = world.table.writes
    assert world.planner("a", SLOT, always).run is None
    assert world.table.writes == writes


def test_the_scheduler_fires_twice_at_once_and_every_ticket_is_opened_once(world):
    with_companies(world, 250)
    planner = world.planner
    page = type(planner)._page
    second = []

    def page_with_a_second_planner(self, *arguments):
        if not second:
            second.append(world.planner("a", SLOT, always))
        return page(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(planner), "_page", page_with_a_second_planner)
        first = planner("a", SLOT, always)
    assert second[0].run is None  # the first planner works on it
    assert first.opened == 250
    assert {world.ticket(company, "a").generation for company in opened(world)} == {0}


def test_out_of_time_it_stops_and_the_next_minute_goes_on_from_the_cursor(world):
    with_companies(world, 1000)
    pages = iter([True, True, False])
    first = world.planner("a", SLOT, lambda: next(pages))
    assert 0 < first.opened < 1000
    assert not first.run.done
    (second,) = world.planner.resume(always)
    assert second.run.done
    assert first.opened + second.opened == len(opened(world)) == 1000


def test_killed_at_any_write_an_abandoned_run_is_taken_over_and_opens_each_ticket_once():
    for death in range(1, 60):
        world = with_companies(World(), 25)
        world.register(a_product("a"))
        left = iter(range(death))

        def count_down(left=left):
            if next(left, None) is None:
                raise Died

        world.table.before_put = count_down
        try:
            done = world.planner("a", SLOT, always)
        except Died:
            done = None
        world.table.before_put = lambda: None
        if done is not None:
            assert death > 25
            break
        world.clock += OWNED_FOR
        world.planner.resume(always)
        world.planner("a", SLOT, always)  # the scheduler's own retry
        assert len(opened(world)) == 25, death
        assert {world.ticket(company, "a").slot for company in opened(world)} == {SLOT}
    else:
        pytest.fail("the run never ended")


def test_the_next_slot_closes_an_open_ticket_with_its_reason(world):
    world.assign("c1", "a")
    world.opened(status=TicketStatus.BUSY, slot=SLOT)
    world.clock += 24 * HOUR
    planned = world.planner("a", world.clock, always)
    assert planned.closed == {"still_syncing": 1}
    assert world.ticket().slot == world.clock
    assert world.ticket().status is TicketStatus.QUEUED


def test_an_open_refresh_that_a_person_asked_for_serves_the_slot_too(world):
    world.assign("c1", "a")
    world.opened(slot=None, requested_by=PERSON, status=TicketStatus.SENT, generation=1)
    world.planner("a", SLOT, always)
    ticket = world.ticket()
    assert (ticket.slot, ticket.generation, ticket.requested_by) == (SLOT, 1, PERSON)


@pytest.mark.parametrize("schedule", [None, replace(DAILY, enabled=False)])
def test_a_disabled_schedule_plans_nothing_but_a_person_may(world, schedule):
    world.assign("c1", "a")
    world.register(a_product("a", schedule))
    assert world.planner("a", SLOT, always).opened == 0
    asked = world.planner("a", SLOT + MINUTE, always, requested_by=PERSON)
    assert asked.opened == 1
    assert world.ticket().due_at == SLOT + MINUTE  # no jitter: a person waits


def test_a_slot_that_is_over_already_is_not_planned(world):
    world.assign("c1", "a")
    world.clock += 25 * HOUR
    assert world.planner("a", SLOT - HOUR, always).opened == 0


def test_100_000_companies_are_planned_by_the_cursor_across_invocations():
    world = World(window=15 * MINUTE)
    world.register(a_product("a"))
    items = 100_000
    world.assign("c", "a")
    template_assignment = world.assignments.get("c", "a")[0]
    company = world.companies.get("c")[0]
    for number in range(items - 1):
        name = f"c{number:06}"
        world.assignments.put(replace(template_assignment, company_id=name), 0)
        world.companies.put(replace(company, company_id=name), 0)
    writes, invocations, total = world.table.writes, 0, 0
    planned = world.planner("a", SLOT, pages_of(150))
    while True:
        invocations += 1
        total += planned.opened
        if planned.run.done:
            break
        (planned,) = world.planner.resume(pages_of(150))
    assert total == items
    assert invocations >= 6
    cursor_writes = world.table.writes - writes - items
    assert cursor_writes < items / 80  # one a page of 100, and one an invocation


def pages_of(count):
    left = iter(range(count))
    return lambda: next(left, None) is not None


def test_slots_that_the_quota_keeps_back_end_as_rate_limited_even_without_a_message(world):
    def refuse(*_):
        raise errors.RateLimited("quota", status=429, retry_at=START + 20 * HOUR)

    _, version = world.registry.read()
    assert world.registry.replace([a_product("a", HOURLY)], version)
    with_companies(world, 4)
    world.codat.fault = refuse
    world.planner("a", START, always)
    world.dispatching().run_until(START + 59 * MINUTE)
    for hour in (1, 2):
        world.run_until(START + hour * HOUR - timedelta(seconds=1))
        slot = START + hour * HOUR
        assert world.planner("a", slot, always).closed == {"rate_limited": 4}
        assert world.ticket("c0000").waits_for is Waits.RATE_LIMIT  # what a person is shown
    assert len(world.codat.calls) == 1
