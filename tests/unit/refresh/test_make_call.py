"""A call leaves once for each key, and a lost answer never becomes a second read."""

from dataclasses import replace
from unittest import mock

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.codat.domain.quota import Quota
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.refresh.usecases.make_call import NotCalled
from tests.support.refresh_worker import HOUR, ROWS, a_message, a_world, failing, work
from tools.simulation.refresh_world import MINUTE, START


@pytest.fixture
def world():
    return a_world()


@pytest.fixture
def make_call(world):
    return world.worker.make_call


def test_the_key_is_on_the_ticket_before_the_call_leaves(world, make_call):
    world.opened()
    seen = []
    world.codat.fault = lambda *_: seen.append(world.ticket())
    call = make_call(*world.tickets.get("c1", "a"))
    assert seen == [call.ticket]
    assert call.ticket.key.value == world.codat.keys[0]
    assert (call.ticket.called_at, call.ticket.attempts) == (START, 1)


@pytest.mark.parametrize(
    ("product", "data_types", "asked"),
    [
        ("a", ("bills",), mock.call.refresh_product("c1", "a", ("bills",), idempotency_key="id")),
        (None, ("bills", "x"), mock.call.refresh_data_type("c1", "bills", idempotency_key="id")),
        (None, None, mock.call.refresh_all("c1", idempotency_key="id")),
    ],
)
def test_what_is_asked_of_codat(world, make_call, product, data_types, asked):
    world.opened("c1", product, data_types=data_types)
    codat = mock.Mock()
    call = replace(make_call, codat=codat, new_id=lambda: "id")
    call(*world.tickets.get("c1", product))
    assert codat.mock_calls == [asked]


def test_a_ticket_that_another_process_changed_is_not_called(world, make_call):
    world.opened()
    old = world.tickets.get("c1", "a")
    world.opened(attempts=1)
    assert make_call(*old) is NotCalled.STALE
    assert world.codat.calls == []


@pytest.mark.parametrize(
    "failure", [errors.TryLater("down"), errors.NotFound("gone"), errors.OutcomeUnknown("lost")]
)
def test_a_client_that_cannot_be_checked_is_no_fault_of_the_company(world, make_call, failure):
    def check():
        raise failure

    world.opened()
    world.check_client = check
    call = make_call(*world.tickets.get("c1", "a"))
    assert isinstance(call.failure, errors.TryLater)
    assert world.codat.calls == []


@pytest.mark.parametrize(
    "failure",
    [errors.Unauthorized("key"), errors.RateLimited("quota", status=429), errors.Forbidden("plan")],
)
def test_a_check_that_meets_what_all_refreshes_meet_says_so(world, make_call, failure):
    def check():
        raise failure

    world.opened()
    world.check_client = check
    assert make_call(*world.tickets.get("c1", "a")).failure is failure
    assert world.codat.forgotten == isinstance(failure, errors.Unauthorized)


def test_a_check_that_the_hub_itself_holds_back_concerns_this_refresh_only(world, make_call):
    def check():
        raise errors.RateLimited("no room", retry_at=world.clock)

    world.opened()
    world.check_client = check
    assert isinstance(make_call(*world.tickets.get("c1", "a")).failure, errors.TryLater)
    assert world.codat.calls == []


@pytest.mark.parametrize("edge", [True, False])
def test_a_check_that_an_edge_answers_counts_for_the_breaker(world, make_call, edge):
    def check():
        raise errors.TryLater("HTML", status=403, edge=edge)

    world.opened()
    world.check_client = check
    failure = make_call(*world.tickets.get("c1", "a")).failure
    assert failure.edge is edge
    assert "HTML" in failure.error


@pytest.mark.parametrize("failure", [None, errors.Permanent("no", quota=Quota(1000, 7, START))])
def test_what_an_answer_says_of_the_quota_is_told(world, make_call, failure):
    world.opened()
    world.codat.quota = Quota(1000, 7, START)
    if failure is not None:
        failing(world, failure)
    call = make_call(*world.tickets.get("c1", "a"))
    assert (call.failure, call.quota) == (failure, Quota(1000, 7, START))


def test_a_read_that_ended_before_an_unanswered_call_says_nothing_of_it(world, make_call):
    world.opened()
    key = HeldKey("old", START)
    world.opened(key=key)
    world.clock += 3 * HOUR
    world.last_reads["c1", "a"] = START - MINUTE
    assert make_call(*world.tickets.get("c1", "a")).ticket.attempts == 1
    world.opened(key=key)
    world.last_reads["c1", "a"] = START
    assert make_call(*world.tickets.get("c1", "a")) is NotCalled.ALREADY_READ


@pytest.mark.parametrize(("failure", "kind", "status"), ROWS, ids=str)
def test_the_next_call_takes_the_key_that_codat_will_not_replay(world, failure, kind, status):
    world.opened()
    failing(world, failure)
    work(world)
    if status is TicketStatus.FAILED:
        return
    world.codat.fault = lambda *_: None
    world.dispatching().run_until(START + 5 * HOUR)
    first, second = world.codat.keys[:2]
    # A call without an answer that Codat keeps is repeated with its key.
    assert (first == second) == (kind in {"outcome_unknown", "rate_limited"})


def test_after_a_503_that_codat_would_replay_the_refresh_is_accepted(world):
    world.opened()
    first = iter([errors.TryLater("oops", status=503)])

    def fault(*_):
        for failure in first:
            raise world.codat.answer_kept(world.codat.keys[-1], failure)

    world.codat.fault = fault
    world.dispatching().run_until(START + 10 * MINUTE)
    assert world.ticket().status in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}
    assert len(world.codat.calls) == 2


def test_a_timeout_after_codat_accepted_is_no_second_refresh(world):
    world.opened()
    lost = iter(["after"])
    world.codat.fault = lambda *_: next(lost, None)
    world.dispatching().run_until(START + 2 * HOUR)
    assert len(world.codat.accepted) == 1
    assert world.ticket().status in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}


def test_past_85_minutes_the_read_events_say_whether_it_was_accepted(world):
    world.wakes = False
    world.opened()
    world.codat.fault = lambda *_: "after"
    work(world)
    assert len(world.codat.accepted) == 1
    # The read ends while no call is made for longer than Codat remembers the key.
    ticket, version = world.tickets.get("c1", "a")
    world.run_until(START + 2 * HOUR)
    world.tickets.put(replace(ticket, due_at=world.now()), version)
    result = work(world)
    assert (result.outcome, result.called) == ("already_read", False)
    assert world.ticket().status is TicketStatus.COMPLETED


def test_a_message_that_comes_twice_makes_one_call(world):
    world.opened()
    work(world)
    assert world.worker(a_message(world)).outcome == "stale"
    assert len(world.codat.calls) == 1


def test_a_wrong_client_makes_no_call_at_all(world):
    def wrong():
        raise errors.WrongClient("another client's key")

    world.opened("c1")
    world.opened("c2")
    world.check_client = wrong
    world.dispatching().run_until(START + 3 * MINUTE)
    assert not world.codat.calls
    assert world.ticket("c1").attempts == 0
    assert world.ticket("c1").failure == Failure("wrong_client", "another client's key")
    world.check_client = lambda: None
    world.run_until(START + 12 * MINUTE)
    assert len(world.codat.accepted) == 2
