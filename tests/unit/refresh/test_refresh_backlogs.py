"""Backlogs of thousands of refreshes, planned and sent in a simulated world."""

from dataclasses import replace
from datetime import timedelta

from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, Reservation
from tools.simulation.refresh_histories import a_backlog
from tools.simulation.refresh_world import MINUTE, START, World, a_product, busiest_minute

HOUR = timedelta(hours=1)


def waiting(world, count, product="a", **changes):
    for number in range(count):
        company_id = f"{product}{number:05}"
        world.assign(company_id, product)
        world.opened(company_id, product, **changes)


def calls_of(world, product):
    return [at for _, name, at in world.codat.accepted if name == product]


def pages_of(count):
    left = iter(range(count))
    return lambda: next(left, None) is not None


def test_30_000_tickets_never_over_900_calls_in_60_seconds_and_near_the_fastest():
    calls = a_backlog(30_000)
    assert busiest_minute(calls) <= 900
    fastest = 30_000 / 900 * MINUTE
    assert calls[-1] - calls[0] <= 1.1 * fastest


def test_the_limiter_holds_the_pace_even_when_all_messages_come_at_once():
    world = World()
    world.register(a_product("a"))
    waiting(world, 1500)
    # Workers were away for two minutes, then all messages come in one second.
    for _ in range(2):
        world.dispatcher()
        world.clock += MINUTE
    backlog, world.events = sorted(world.events), []
    for _, _, deliver in backlog:
        deliver()
    assert len(world.codat.calls) == 870
    world.dispatching().run_until(START + 10 * MINUTE)
    assert busiest_minute(world.codat.calls) <= 900
    assert len(world.codat.accepted) == 1500


def test_the_limiter_holds_a_reservation_against_a_backlog_and_loses_no_ticket():
    world = World()
    world.register(a_product("a"))
    waiting(world, 800)
    world.dispatcher()
    limiter, version = world.limiters.get()
    until = START + 3 * MINUTE
    world.limiters.put(limiter.reserving(MIGRATION, 300, until), version)  # after they were sent
    backlog, world.events = sorted(world.events), []
    world.clock += MINUTE
    for _, _, deliver in backlog:
        deliver()
    assert len(world.codat.calls) == 570
    world.dispatching().run_until(START + 10 * MINUTE)
    assert len(world.codat.accepted) == 800
    kept = {MIGRATION: Reservation(300, until)}
    assert world.limiters.get()[0].reservations == kept


def test_a_product_with_thousands_due_delays_another_by_no_more_than_its_share():
    world = World(lock="product")
    world.register(a_product("a"), a_product("b"), a_product("c"))
    waiting(world, 5000, "a", due_at=START - HOUR)  # longest due of all
    waiting(world, 400, "b")
    waiting(world, 50, "c")
    world.dispatching().run_until(START + 10 * MINUTE)
    last = {name: calls_of(world, name)[-1] - START for name in "abc"}
    # The dispatcher runs after a minute, then sends a third of 840 a minute for each.
    assert last["c"] <= 1.2 * MINUTE
    assert last["b"] <= 2.2 * MINUTE
    assert last["a"] >= 7 * MINUTE
    assert world.codat.calls == sorted(world.codat.calls)


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
    planned = world.planner("a", START, pages_of(150))
    while True:
        invocations += 1
        total += planned.opened
        if planned.run.done:
            break
        (planned,) = world.planner.resume(pages_of(150))
    assert total == items
    assert invocations >= 6
    # a ticket each, and at its first slot a place each in the list of what will be overdue
    cursor_writes = world.table.writes - writes - 2 * items
    assert cursor_writes < items / 80  # one a page of 100, and one an invocation
