"""A slot's tickets: which companies get one, when it is due, and what an interruption costs."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.domain.product import Schedule
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_run import OWNED_FOR, RefreshRun
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.storage.items import CODAT, ItemKey
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


@pytest.mark.parametrize(
    ("item", "spoilt"),
    [
        ("DIRECTORY", {"connections": 7}),
        ("PRODUCT#a", {"status": "quantum"}),
        ("REFRESH#TICKET#a", {"status": "quantum"}),
    ],
)
def test_a_company_with_an_item_that_cannot_be_read_is_skipped_by_name(world, item, spoilt):
    with_companies(world, 3).planner("a", SLOT, always)
    (key,) = (key for key in world.table.items if key.pk.endswith("c0001") and key.sk == item)
    world.table.spoil(key, **spoilt)
    world.clock += HOUR
    run = world.planner("a", SLOT + HOUR, always).run
    assert (run.done, run.opened, run.skipped, run.skipped_by) == (True, 2, 1, {"unreadable": 1})


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


def test_a_slot_lists_when_each_product_will_be_overdue_also_what_was_never_read(world):
    with_companies(world, 250)
    world.assign("unlinked", "a", linked=False)
    world.planner("a", SLOT, always)
    late = SLOT + 60 * HOUR  # assigned at START, due at the next 23:00, 12 h late
    listed = ReadStateStore(world.table).overdue("a", late, 500)
    assert sorted(place.company_id for place in listed) == opened(world)
    writes = world.table.writes
    world.planner("a", SLOT + HOUR, lambda: False)  # a run that plans nothing yet
    assert world.table.writes == writes + 2


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
    assert (second.run.opened, second.run.served) == (1000, 0)


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
    assert len(world.codat.calls) == 2  # the first, and an hourly probe


def a_change(world, chance, company_id):
    """Another process changes the ticket: dispatcher, worker, read event or a person."""
    old, version = world.tickets.get(company_id, "a")
    if old is None:
        return
    changes = [
        ticket_rules.sent(old, world.now()),
        ticket_rules.expired(old, world.now()),
        ticket_rules.kept_back(old, Waits.LEASE, world.now() + MINUTE),
        replace(old, requested_by=PERSON),
        replace(old, status=TicketStatus.COMPLETED, slot=SLOT + HOUR),
    ]
    assert world.tickets.put(chance.choice(changes), version)


@pytest.mark.parametrize("seed", range(20))
def test_every_company_of_a_slot_is_opened_served_or_skipped_whatever_races_are_lost(world, seed):
    chance = random.Random(seed)
    with_companies(world, 30)
    world.assign("unlinked", "a", linked=False)
    world.assign("no-consent", "a", consented=False)
    world.planner("a", SLOT, always)
    world.clock = SLOT + HOUR
    inside = []

    def interfere():
        if inside or chance.random() > 0.7:
            return
        inside.append(True)
        a_change(world, chance, f"c{chance.randrange(30):04}")
        inside.clear()

    world.table.before_put = interfere
    run = world.planner("a", SLOT + HOUR, always).run
    assert run.skipped_by == {"not_linked": 1, "not_allowed": 1}
    assert run.opened + run.served == 30
    served = [world.ticket(company, "a").slot for company in opened(world)]
    assert served == [SLOT + HOUR] * 30


def test_a_whole_page_that_the_dispatcher_closes_meanwhile_is_opened(world):
    with_companies(world, 12).planner("a", SLOT, always)
    world.clock = SLOT + 14 * HOUR
    get_many = world.tickets.get_many

    def read_before_the_dispatcher(pairs):
        found = get_many(pairs)
        world.tickets.get_many = get_many
        world.dispatcher()
        return found

    world.tickets.get_many = read_before_the_dispatcher
    planned = world.planner("a", world.clock, always)
    assert (planned.opened, dict(planned.run.skipped_by)) == (12, {})


def test_a_race_lost_to_a_person_is_served_by_the_persons_refresh(world):
    with_companies(world, 1)
    world.planner("a", SLOT, always)
    world.clock = SLOT + HOUR
    races = [True]
    real_put = world.tickets.put

    def put(ticket, version):
        if races:
            races.pop()
            old, read = world.tickets.get("c0000", "a")
            assert real_put(replace(old, requested_by=PERSON), read)
        return real_put(ticket, version)

    world.tickets.put = put
    run = world.planner("a", SLOT + HOUR, always).run
    assert (run.opened, run.served) == (0, 1)


@pytest.mark.parametrize(("expression", "minutes"), [("rate(5 minutes)", 5), ("rate(1 minute)", 1)])
def test_the_jitter_window_is_a_quarter_of_the_cadence_at_most(world, expression, minutes):
    world.register(a_product("a", Schedule(expression)))
    with_companies(world, 100).planner("a", SLOT, always)
    waits = [world.ticket(company, "a").due_at - SLOT for company in opened(world)]
    assert minutes * MINUTE / 5 < max(waits) <= minutes * MINUTE / 4


def test_unfinished_runs_of_an_unreadable_product_do_not_starve_the_others(world):
    world.register(a_product("a"), a_product("b"))
    world.assign("c1", "b")
    for slot in range(100):
        assert world.runs.put(RefreshRun("a", SLOT - slot * HOUR), 0)
    assert world.runs.put(RefreshRun("b", SLOT), 0)
    products = dict(world.table.items[ItemKey(CODAT, "PRODUCTS")][0]["products"])
    world.table.spoil(ItemKey(CODAT, "PRODUCTS"), products=products | {"a": {"kind": "quantum"}})
    world.clock = SLOT + HOUR
    world.planner.resume(always)
    world.clock += MINUTE
    (report, *_) = world.planner.resume(always)
    assert (report.run.product, report.run.done) == ("b", True)
    assert len(world.runs.unfinished()) == 100  # those of `a` wait until it is repaired


def test_a_run_that_stays_unfinished_goes_behind_the_others(world):
    world.register(a_product("a"), a_product("b"))
    with_companies(world, 150)
    assert world.runs.put(RefreshRun("a", SLOT), 0)
    assert world.runs.put(RefreshRun("b", SLOT), 0)
    world.clock += MINUTE
    time = iter([True, True, False, False])  # for one run, and one page of it
    (report,) = world.planner.resume(lambda: next(time))
    assert (report.run.product, report.run.done) == ("a", False)
    assert [run.run.product for run in world.planner.resume(always)] == ["b", "a"]
    assert world.runs.unfinished() == []
