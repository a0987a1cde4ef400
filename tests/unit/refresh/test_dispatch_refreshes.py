"""Which tickets are sent when: pace, fair turns, breaker, deadlines, lost messages."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from codat_hub import errors
from codat_hub.codat import errors as codat_errors
from codat_hub.codat.domain.quota import Quota
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RateLimiter, probing_limiter
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import LOST_AFTER, TicketStatus
from codat_hub.refresh.usecases import dispatch_refreshes
from codat_hub.storage.items import CODAT, ItemKey
from tools.simulation.refresh_world import (
    DAILY,
    MINUTE,
    START,
    Died,
    World,
    a_product,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def world():
    world = World()
    world.register(a_product("a"), a_product("b"))
    return world


def waiting(world, count, product="a", **changes):
    for number in range(count):
        company_id = f"{product}{number:05}"
        world.assign(company_id, product)
        world.opened(company_id, product, **changes)


def reserve(world, calls, until):
    limiter, version = world.limiters.get()
    assert world.limiters.put(limiter.reserving(MIGRATION, calls, until), version)


def test_a_due_ticket_is_sent_once_under_a_new_generation(world):
    waiting(world, 3)
    waiting(world, 1, "b", due_at=START + HOUR)
    assert world.dispatcher().sent == 3
    assert world.dispatcher().sent == 0
    assert world.ticket("a00000").status is TicketStatus.SENT
    assert world.ticket("b00000", "b").status is TicketStatus.QUEUED


@pytest.mark.parametrize(
    "change",
    [
        {"status": TicketStatus.CANCELLED},
        {"status": TicketStatus.ACCEPTED},
        {"due_at": START + HOUR},
    ],
)
def test_a_ticket_that_the_lagging_index_lists_wrongly_is_not_sent(world, monkeypatch, change):
    waiting(world, 1)
    listed = world.tickets.due("a", world.now(), 10)
    ticket, version = world.tickets.get("a00000", "a")
    assert world.tickets.put(replace(ticket, **change), version)
    due = world.tickets.due
    monkeypatch.setattr(
        world.tickets,
        "due",
        lambda product, *rest: listed if product == "a" else due(product, *rest),
    )
    assert world.dispatcher().sent == 0
    assert world.tickets.get("a00000", "a")[0] == replace(ticket, **change)


def test_at_most_fourteen_a_second_over_the_minute(world):
    waiting(world, 1000)
    assert world.dispatcher().sent == 840
    delays = sorted(when - START for when, _, _ in world.events)
    assert delays[0] == timedelta()
    assert delays[-1] == timedelta(seconds=59)
    for place, delay in enumerate(delays):
        assert delay == timedelta(seconds=place // 14)


def test_a_second_dispatcher_in_the_same_minute_sends_nothing_on_top(world):
    waiting(world, 2000)
    world.dispatcher()
    assert world.dispatcher().sent == 0
    world.clock += 30 * timedelta(seconds=1)
    assert world.dispatcher().sent == 420


def test_a_reservation_is_taken_off_the_refreshes_while_it_lasts(world):
    reserve(world, 300, START + MINUTE)
    waiting(world, 1000)
    assert world.dispatcher().sent == 540
    delays = sorted(when - START for when, _, _ in world.events)
    assert delays == [timedelta(seconds=place // 9) for place in range(540)]
    assert world.dispatcher().sent == 0
    world.clock = START + MINUTE  # it was not renewed
    assert world.dispatcher().sent == 460
    assert max(when for when, _, _ in world.events) == world.clock + timedelta(seconds=459 // 14)


def test_no_reservation_takes_all_of_the_pace(world):
    reserve(world, 5000, START + HOUR)
    waiting(world, 200)
    assert world.dispatcher().sent == 120


def test_a_ticket_whose_message_was_lost_is_due_again_after_ten_minutes(world):
    waiting(world, 1)
    world.dispatcher()
    world.events.clear()  # the message is lost
    world.clock += LOST_AFTER - timedelta(seconds=1)
    assert world.dispatcher().sent == 0
    world.clock += timedelta(seconds=1)
    assert world.dispatcher().sent == 1
    assert world.ticket("a00000").generation == 2


def test_past_its_deadline_a_ticket_is_closed_and_counted(world):
    waiting(world, 2, deadline=START + MINUTE, status=TicketStatus.BUSY)
    world.clock += 2 * MINUTE
    assert world.dispatcher().closed == {"still_syncing": 2}
    assert world.dispatcher().closed == {}


def test_while_the_breaker_is_open_nothing_is_sent_but_a_probe_and_deadlines_still_count(world):
    waiting(world, 5)
    waiting(world, 1, "b", deadline=START + MINUTE)
    breaker = Breaker(Cause.UNAUTHORIZED, START, START + 5 * MINUTE)
    world.limiters.put(RateLimiter(breaker), 0)
    world.clock += 2 * MINUTE
    report = world.dispatcher()
    assert (report.sent, report.blocked, report.closed) == (0, True, {"failed": 1})
    world.clock += 3 * MINUTE
    assert world.dispatcher().sent == 1


def test_tickets_of_a_product_that_is_no_longer_registered_are_closed(world):
    waiting(world, 1, due_at=START + MINUTE)
    world.dispatcher()  # it learns of the product
    world.register(a_product("b"))
    world.dispatching().run_until(START + 5 * MINUTE)
    assert world.ticket("a00000").status is TicketStatus.CANCELLED
    assert not world.codat.calls


def test_messages_that_the_queue_rejects_are_sent_again_after_ten_minutes(world):
    waiting(world, 30)

    def refuse():
        raise errors.Unavailable("SQS is down")

    world.queue.before_send = refuse
    with pytest.raises(errors.Unavailable):
        world.dispatcher()
    world.queue.before_send = lambda: None
    world.dispatching().run_until(START + 20 * MINUTE)
    assert len(world.codat.accepted) == 30


@pytest.mark.parametrize("death", range(1, 12))
def test_killed_at_any_write_nothing_is_lost_or_called_twice(death):
    world = World()
    world.register(a_product("a"))
    waiting(world, 5)
    left = iter(range(death))

    def count_down():
        if next(left, None) is None:
            raise Died

    world.table.after_put = world.queue.before_send = count_down
    world.safely(world.dispatcher)
    world.table.after_put = world.queue.before_send = lambda: None
    world.dispatching().run_until(START + 30 * MINUTE)
    assert sorted(company for company, _, _ in world.codat.accepted) == [
        f"a{number:05}" for number in range(5)
    ]
    assert not world.queue.dead


def test_a_persons_refresh_is_not_hidden_behind_a_reserve_that_is_used_up(world):
    world.reads_up_to_a_limit(1000, 100)
    waiting(world, 1)
    world.dispatching().run_until(START + 2 * MINUTE)
    waiting(world, 300, "b")
    ticket, version = world.tickets.get("b00299", "b")
    world.tickets.put(replace(ticket, requested_by="arn"), version)
    world.run_until(START + 5 * MINUTE)
    assert [company for company, _, _ in world.codat.accepted] == ["a00000", "b00299"]


def limited(world, retry_at):
    def refuse(*_):
        raise codat_errors.RateLimited("quota", status=429, retry_at=retry_at(world.now()))

    world.codat.fault = refuse


def test_a_ticket_never_sent_for_the_quota_is_closed_as_rate_limited_without_a_failure(world):
    limited(world, lambda now: now + 20 * HOUR)
    waiting(world, 1)
    world.dispatching().run_until(START + 2 * MINUTE)
    waiting(world, 1, "b", deadline=START + HOUR)
    world.run_until(START + 2 * HOUR)
    assert world.ticket("b00000", "b").status is TicketStatus.RATE_LIMITED
    assert len(world.codat.calls) == 2  # the first, and an hourly probe


def test_retry_at_once_does_not_let_every_queued_message_call_in_turn(world):
    limited(world, lambda now: now)
    waiting(world, 200)
    world.dispatching().run_until(START + 2 * MINUTE - timedelta(seconds=1))
    assert len(world.codat.calls) == 2  # they come over 15 seconds


def test_a_product_whose_tickets_are_all_cancelled_does_not_keep_the_probe_from_the_others(world):
    waiting(world, 50, "a")
    waiting(world, 1, "b")
    world.limiters.put(RateLimiter(Breaker(Cause.UNAUTHORIZED, START, START + 2 * MINUTE)), 0)
    _, version = world.registry.read()
    disabled = a_product("a", replace(DAILY, enabled=False))
    assert world.registry.replace([disabled, a_product("b")], version)
    world.dispatching().run_until(START + 3 * MINUTE)
    assert len(world.codat.accepted) == 1
    assert world.limiters.get()[0].breaker.cause is None


def blocked(world):
    breaker = Breaker(Cause.RATE_LIMITED, START, START + 20 * HOUR)
    world.limiters.put(RateLimiter(breaker), 0)


def memory(world):
    return world.dispatcher.memories.get()[0]


def messages(world, monkeypatch):
    """Return the list of what is sent to the queue from now on."""
    sent = []
    monkeypatch.setattr(world.queue, "send", sent.append)
    return sent


@pytest.fixture
def small(monkeypatch):
    """Let a run look at 10 tickets more than it sends, in pages of 4."""
    monkeypatch.setattr(dispatch_refreshes, "_LOOKED_AT", 10)
    monkeypatch.setattr(dispatch_refreshes, "_PAGE", 4)


def test_messages_go_in_tens_each_with_its_ticket_and_its_delay(world, monkeypatch):
    waiting(world, 25)
    sent = messages(world, monkeypatch)
    assert world.dispatcher().sent == 25
    assert [len(chunk) for chunk in sent] == [10, 10, 5]
    assert [message for chunk in sent for message in chunk] == [
        RefreshMessage(f"a{place:05}", "a", 1, timedelta(seconds=place // 14))
        for place in range(25)
    ]
    assert memory(world).busy_until == START + timedelta(seconds=25 / 14)


def test_messages_begin_behind_those_that_are_spread_already(world, monkeypatch):
    waiting(world, 420)
    world.dispatcher()
    waiting(world, 1, "b")
    sent = messages(world, monkeypatch)
    world.clock += 10 * timedelta(seconds=1)
    assert world.dispatcher().sent == 1
    assert sent == [[RefreshMessage("b00000", "b", 1, timedelta(seconds=20))]]
    assert world.ticket("b00000", "b").due_at == START + timedelta(seconds=30) + LOST_AFTER


def test_refreshes_by_client_level_settings_are_sent_too(world, monkeypatch):
    world.opened("c1", None, requested_by="arn")
    sent = messages(world, monkeypatch)
    assert world.dispatcher().sent == 1
    assert sent == [[RefreshMessage("c1", None, 1)]]


def test_a_dispatcher_that_another_one_overtakes_sends_nothing(world):
    waiting(world, 3)
    dispatcher = world.dispatcher
    put = dispatcher.memories.put

    def overtaken(after, version):
        assert put(after, version)
        return put(after, version)

    memories = SimpleNamespace(get=dispatcher.memories.get, put=overtaken)
    assert replace(dispatcher, memories=memories)().sent == 0
    assert world.ticket("a00000").status is TicketStatus.QUEUED


def test_a_ticket_that_changed_since_it_was_read_is_not_sent(world, monkeypatch):
    waiting(world, 2)
    put = world.tickets.put

    def person_is_faster(ticket, version):
        if ticket.company_id == "a00000":
            return False
        return put(ticket, version)

    monkeypatch.setattr(world.tickets, "put", person_is_faster)
    sent = messages(world, monkeypatch)
    assert world.dispatcher().sent == 1
    assert [message.company_id for message in sent[0]] == ["a00001"]


def test_a_ticket_that_changed_since_it_was_read_is_not_counted_as_closed(world, monkeypatch):
    waiting(world, 1, deadline=START)
    monkeypatch.setattr(world.tickets, "put", lambda *_: False)
    assert world.dispatcher().closed == {}


def test_a_ticket_that_cannot_be_read_comes_again_after_half_an_hour(world):
    waiting(world, 2)
    (key,) = (key for key in world.table.items if key.pk.endswith("a00000") and "TICKET" in key.sk)
    world.table.spoil(key, status="quantum")
    assert world.dispatcher().sent == 1
    half = START + timedelta(minutes=30)
    for at, listed in ((half - timedelta(seconds=1), False), (half, True)):
        assert ("a00000" in {due.company_id for due in world.tickets.due("a", at, 9)}) is listed


def test_a_product_that_cannot_be_read_keeps_its_tickets_until_it_can(world):
    waiting(world, 1)
    waiting(world, 1, "b")
    key = ItemKey(CODAT, "PRODUCTS")
    products = world.table.items[key][0]["products"]
    before = world.table.spoil(key, products=dict(products) | {"a": {"kind": "quantum"}})
    assert world.dispatcher().sent == 1
    assert world.ticket("a00000").status is TicketStatus.QUEUED
    world.table.spoil(key, **before)
    world.clock += MINUTE
    assert world.dispatcher().sent == 1


def test_a_limiter_that_cannot_be_read_is_replaced_by_one_that_lets_a_probe_call(world):
    waiting(world, 5)
    limiter, version = world.limiters.get()
    world.limiters.put(limiter.noting(Quota(1000, 900, START + HOUR), START), version)
    key = ItemKey(CODAT, "GATE")
    world.table.spoil(key, quota=7, pace=7, breaker=7)
    world.dispatcher()
    breaker = world.limiters.get()[0].breaker
    assert breaker == probing_limiter(START).breaker


def test_the_report_says_what_stops_the_refreshes(world):
    waiting(world, 1)
    assert world.dispatcher().stopped is None
    blocked(world)
    report = world.dispatcher()
    assert (report.blocked, report.stopped, report.sent) == (True, Cause.RATE_LIMITED, 0)


def test_a_quota_that_codat_reports_as_used_up_stops_what_is_sent(world):
    waiting(world, 5)
    world.notices.put(RateLimitNotice(Stamp(START, "e"), START + 3 * HOUR), 0)
    report = world.dispatcher()
    assert (report.blocked, report.stopped, report.sent) == (True, Cause.RATE_LIMITED, 0)
    world.clock += HOUR
    assert world.dispatcher().sent == 1  # the probe, of the one product with due tickets
    assert world.dispatcher().stopped is Cause.RATE_LIMITED


def test_a_probe_is_one_ticket_of_each_of_ten_products_a_second_apart_and_they_take_turns(
    monkeypatch,
):
    world = World()
    names = [f"p{number:02}" for number in range(12)]
    world.register(*map(a_product, names))
    for name in names:
        waiting(world, 3, name)
    world.limiters.put(RateLimiter(Breaker(Cause.UNAUTHORIZED, START, START)), 0)
    sent = messages(world, monkeypatch)
    report = world.dispatcher()
    assert (report.sent, report.stopped, report.blocked) == (10, Cause.UNAUTHORIZED, False)
    assert [(each.product, each.delay.seconds) for each in sent[0]] == [
        (name, place) for place, name in enumerate(names[:10])
    ]
    world.clock += MINUTE
    world.dispatcher()
    assert [each.product for each in sent[1]][:2] == ["p01", "p02"]
    assert memory(world).probes == 2


def test_a_products_name_is_remembered_until_its_last_ticket_is_closed(world):
    waiting(world, 1, due_at=START + HOUR)
    world.dispatcher()
    assert memory(world).products == ("a", "b")
    _, version = world.registry.read()
    world.registry.replace([a_product("b")], version)
    world.dispatcher()
    assert memory(world).products == ("a", "b")
    ticket, version = world.tickets.get("a00000", "a")
    world.tickets.put(replace(ticket, status=TicketStatus.CANCELLED), version)
    world.dispatcher()
    assert memory(world).products == ("b",)


@pytest.mark.parametrize(("left", "until"), [(3, START + MINUTE), (0, START + HOUR)])
def test_scheduled_tickets_beyond_what_the_quota_leaves_are_kept_back(world, left, until):
    waiting(world, 5)
    waiting(world, 2, "b", requested_by="arn")
    quota = Quota(1000, 200 + left, START + HOUR)
    world.limiters.put(RateLimiter().noting(quota, START), 0)
    assert world.dispatcher().sent == left + 2
    tickets = [world.ticket(f"a{number:05}") for number in range(5)]
    kept = [ticket for ticket in tickets if ticket.waits_for is Waits.RESERVE]
    assert [(ticket.status, ticket.due_at) for ticket in kept] == (5 - left) * [
        (TicketStatus.QUEUED, until)
    ]
    assert {world.ticket(f"b{number:05}", "b").status for number in (0, 1)} == {TicketStatus.SENT}


def test_a_sweep_goes_on_where_the_last_one_stopped_and_then_begins_again(world, small):
    waiting(world, 15)
    waiting(world, 3, "b")
    world.opened("c1", None, requested_by="arn")
    blocked(world)
    places = []
    for _ in range(4):
        world.dispatcher()
        swept = memory(world).swept
        places.append(swept and (swept[0], swept[1].rpartition("#")[2]))
    assert places == [("a", "a00008"), None] * 2


def test_a_sweep_closes_what_is_past_its_deadline_behind_tickets_that_wait(world, small):
    waiting(world, 25)
    waiting(world, 1, "b", due_at=START + MINUTE, deadline=START + 2 * MINUTE)
    world.opened("late", "a", due_at=START + MINUTE, deadline=START + 2 * MINUTE)
    blocked(world)
    world.clock += 2 * MINUTE
    assert [world.dispatcher().closed.total() for _ in range(4)] == [0, 0, 2, 0]
    assert world.ticket("late").status is TicketStatus.RATE_LIMITED


def test_a_run_looks_at_ten_tickets_more_than_it_sends(world, small):
    waiting(world, 30, deadline=START)
    waiting(world, 2, "b")
    report = world.dispatcher()
    assert (report.sent, report.closed) == (2, {"failed": 30})
    waiting(world, 900, "a", deadline=START)
    assert world.dispatcher().closed.total() <= 840 + 10
