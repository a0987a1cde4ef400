"""Which tickets are sent when: pace, fair turns, breaker, deadlines, lost messages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub import errors
from codat_hub.codat import errors as codat_errors
from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RateLimiter
from codat_hub.refresh.domain.ticket import LOST_AFTER, TicketStatus
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
