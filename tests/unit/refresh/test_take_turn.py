"""A refresh calls only in its turn: the limiter lets it pass and it holds the company's lease."""

from datetime import timedelta

import pytest

from codat_hub.codat.domain.quota import Quota
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.rate_limiting.domain.breaker import PROBE_LONG, Breaker, Cause
from codat_hub.rate_limiting.domain.pace import LIMIT, Pace
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter, Wait
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.refresh.usecases.take_turn import Turn
from tests.support.refresh_worker import HOUR, a_world, with_a_lease_for_each_product, work
from tools.simulation.refresh_world import MINUTE, START

SECOND = timedelta(seconds=1)


@pytest.fixture
def world():
    return a_world()


@pytest.fixture
def take_turn(world):
    return world.worker.take_turn


def ticket(world, product="a"):
    world.opened(product=product)
    return world.ticket(product=product)


def lease(world):
    return world.leases.get("c1", "a")[0]


def counted(world):
    return sum(count for _, count in world.limiters.get()[0].pace.calls)


def test_a_turn_holds_the_lease_and_is_counted_once(world, take_turn):
    turn = take_turn(ticket(world))
    assert (lease(world).holder, lease(world)) == ("a", turn.lease.taken)
    assert counted(world) == 1


def test_a_closed_limiter_is_met_before_the_lease(world, take_turn):
    breaker = Breaker(Cause.UNAUTHORIZED, START, START + 5 * MINUTE)
    world.limiters.put(RateLimiter(breaker), 0)
    assert take_turn(ticket(world)) == Wait(Waits.BREAKER, START + 5 * MINUTE)
    assert world.leases.get("c1", "a")[1] == 0  # never written


def test_a_quota_that_codat_reports_as_used_up_is_met_before_the_lease(world, take_turn):
    world.notices.put(RateLimitNotice(Stamp(START, "e"), START + HOUR), 0)
    assert take_turn(ticket(world)) == Wait(Waits.RATE_LIMIT, START + HOUR)
    assert world.leases.get("c1", "a")[1] == 0


def test_one_probe_leaves_while_codat_reports_the_quota_as_used_up(world, take_turn):
    world.notices.put(RateLimitNotice(Stamp(START, "e"), START + 10 * HOUR), 0)
    world.clock += 2 * HOUR
    assert isinstance(take_turn(ticket(world)), Turn)
    assert take_turn(ticket(world, "b")) == Wait(Waits.RATE_LIMIT, world.clock + PROBE_LONG)


def test_a_notice_that_comes_after_the_lease_was_taken_keeps_the_call_back(world, take_turn):
    put = world.leases.put

    def put_then_hear_of_the_quota(*arguments):
        world.leases.put = put
        world.notices.put(RateLimitNotice(Stamp(START, "e"), START + HOUR), 0)
        return put(*arguments)

    world.leases.put = put_then_hear_of_the_quota
    found = take_turn(ticket(world))
    assert found == Wait(Waits.RATE_LIMIT, START + HOUR, lease_returned=True)
    assert counted(world) == 0


@pytest.mark.parametrize("person", [None, "arn:aws:iam::1:user/p"])
def test_a_reserve_that_begins_after_the_lease_was_taken_is_kept_for_people(
    world, take_turn, person
):
    put = world.leases.put

    def put_then_use_up_the_quota(*arguments):
        world.leases.put = put
        world.limiters.put(RateLimiter().noting(Quota(1000, 200, START + HOUR), START), 0)
        return put(*arguments)

    world.leases.put = put_then_use_up_the_quota
    world.opened(requested_by=person)
    found = take_turn(world.ticket())
    kept = Wait(Waits.RESERVE, START + HOUR, lease_returned=True)
    assert isinstance(found, Turn) if person else found == kept


def test_with_a_lease_for_each_product_both_have_their_turn_and_give_it_back(world):
    take_turn = with_a_lease_for_each_product(world).worker.take_turn
    tickets = [ticket(world, "a"), ticket(world, "b")]
    turns = [take_turn(each) for each in tickets]
    assert [world.leases.get("c1", name)[0].holder for name in "ab"] == ["a", "b"]
    assert all(take_turn.lease_is_free(each) for each in tickets)
    read, version = world.leases.get("c1", "a")
    world.leases.put("c1", "a", lease_rules.after_read(read, "b", START), version)
    back = [take_turn.give_back(tickets[place], turns[place].lease) for place in (0, 1)]
    assert back == [False, True]
    assert [world.leases.get("c1", name)[0].holder for name in "ab"] == [None, None]


def test_a_refresh_that_waits_for_the_lease_is_not_counted(world, take_turn):
    take_turn(ticket(world, "a"))
    assert take_turn(ticket(world, "b")) == Wait(Waits.LEASE, START + lease_rules.HELD_FOR)
    assert counted(world) == 1


def test_a_limiter_that_closes_after_the_lease_was_taken_leaves_the_lease_free(world, take_turn):
    put = world.leases.put

    def put_then_fill_the_pace(*arguments):
        world.leases.put = put
        full = RateLimiter(pace=Pace(((int(START.timestamp()), LIMIT),)))
        world.limiters.put(full, 0)
        return put(*arguments)

    world.leases.put = put_then_fill_the_pace
    found = take_turn(ticket(world))
    assert found == Wait(Waits.PACE, START + 62 * SECOND, lease_returned=True)
    assert lease(world).holder is None
    assert take_turn.lease_is_free(ticket(world, "b"))


def test_a_lease_that_was_touched_is_given_back_and_said_to_be_touched(world, take_turn):
    asked = ticket(world)
    turn = take_turn(asked)
    read, version = world.leases.get("c1", "a")
    world.leases.put("c1", "a", lease_rules.after_read(read, "b", START), version)
    assert not take_turn.give_back(asked, turn.lease)
    assert lease(world).holder is None


@pytest.mark.parametrize(("product", "at"), [("b", START), ("a", START + MINUTE)])
def test_a_lease_that_another_refresh_took_meanwhile_stays_with_it(world, take_turn, product, at):
    asked = ticket(world)
    turn = take_turn(asked)
    ended, version = world.leases.get("c1", "a")
    theirs = lease_rules.taken(ended, product, at)
    world.leases.put("c1", "a", theirs, version)
    assert not take_turn.give_back(asked, turn.lease)
    assert lease(world) == theirs


def test_without_a_call_the_lease_stays_with_the_products_call_under_way(world, take_turn):
    asked = ticket(world)
    first, second = take_turn(asked), take_turn(asked)
    assert take_turn.give_back(asked, second.lease, called=False)
    assert lease(world) == first.lease.taken


def test_after_a_call_the_lease_is_free_though_another_call_had_it_before(world, take_turn):
    asked = ticket(world)
    take_turn(asked)
    assert take_turn.give_back(asked, take_turn(asked).lease)
    assert lease(world).holder is None


def test_a_second_product_waits_for_the_companys_lease_without_an_attempt(world):
    world.opened(product="a")
    world.opened(product="b")
    work(world, product="a")
    result = work(world, product="b")
    ticket = world.ticket(product="b")
    assert (result.outcome, ticket.waits_for) == ("lease", Waits.LEASE)
    assert (ticket.attempts, ticket.backoffs) == (0, 0)
    world.run_until(START + 30 * MINUTE)  # a's read ends: b goes without a dispatcher
    assert [product for _, product, _ in world.codat.accepted] == ["a", "b"]


def test_the_reserve_is_kept_for_people(world):
    world.reads_up_to_a_limit(1000, 200)
    world.opened("c1")
    world.dispatching().run_until(START + 2 * MINUTE)  # the answer says that 20 % is left
    world.opened("c2")
    world.opened("c3", requested_by="arn:aws:iam::1:user/p")
    world.run_until(START + 5 * MINUTE)
    assert world.ticket("c2").waits_for is Waits.RESERVE
    assert world.ticket("c3").status in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}
    world.reads_up_to_a_limit(1000, 999)
    world.opened("c4", due_at=START + 24 * HOUR, deadline=START + 30 * HOUR)
    world.run_until(START + 25 * HOUR)  # the quota that was known has expired
    assert world.ticket("c4").status in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}
