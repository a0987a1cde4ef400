"""One message, one call at most: each row of the taxonomy, the lease, the limiter, the key."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.rate_limiting.domain.breaker import Cause
from codat_hub.rate_limiting.domain.rate_limit_notice import reset
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from tools.simulation.refresh_world import DAILY, MINUTE, START, Died, World, a_product

HOUR = timedelta(hours=1)


@pytest.fixture
def world():
    world = World(seed=1)
    world.register(a_product("a"), a_product("b"))
    for company_id in ("c1", "c2", "c3", "c4"):
        for product in ("a", "b"):
            world.assign(company_id, product)
    return world


def work(world, company_id="c1", product="a"):
    """Send the ticket as the dispatcher would, and work on the message."""
    world.dispatcher()
    ticket = world.ticket(company_id, product)
    return world.worker(RefreshMessage(company_id, product, ticket.generation))


def failing(world, failure):
    def fault(company_id, product):
        raise failure

    world.codat.fault = fault


def test_an_accepted_refresh_is_done_and_holds_the_companys_lease(world):
    world.opened()
    result = work(world)
    assert (result.outcome, result.called) == ("accepted", True)
    assert world.ticket().status is TicketStatus.ACCEPTED
    assert world.ticket().attempts == 1
    lease, _ = world.leases.get("c1", "a")
    assert lease.holder == "a"


def test_its_read_event_completes_it_and_ends_the_lease(world):
    world.opened()
    work(world)
    world.run_until(START + HOUR)
    assert world.ticket().status is TicketStatus.COMPLETED
    assert world.leases.get("c1", "a")[0].holder is None


ROWS = [
    (errors.Busy("in progress", status=400), "busy", TicketStatus.BUSY),
    (errors.TryLater("oops", status=503), "unavailable", TicketStatus.QUEUED),
    (errors.TryLater("slow", status=408), "unavailable", TicketStatus.QUEUED),
    (errors.OutcomeUnknown("no answer"), "outcome_unknown", TicketStatus.QUEUED),
    (errors.OutcomeUnknown("in flight", status=409), "outcome_unknown", TicketStatus.QUEUED),
    (errors.NotUnderstood("HTML", status=200), "not_understood", TicketStatus.QUEUED),
    (errors.Permanent("doesn't support", status=400), "rejected", TicketStatus.FAILED),
    (errors.KeyReused("other body", status=422), "key_reused", TicketStatus.FAILED),
    (errors.Forbidden("plan", status=402), "forbidden", TicketStatus.FAILED),
    (errors.Forbidden("no", status=403), "forbidden", TicketStatus.FAILED),
    (errors.NotFound("gone", status=404), "not_found", TicketStatus.FAILED),
    (errors.Unauthorized("key", status=401), "unauthorized", TicketStatus.QUEUED),
    (
        errors.RateLimited("quota", status=429, retry_at=START + 3 * HOUR),
        "rate_limited",
        TicketStatus.QUEUED,
    ),
]


@pytest.mark.parametrize(("failure", "kind", "status"), ROWS, ids=str)
def test_each_row_of_the_taxonomy(world, failure, kind, status):
    world.opened()
    failing(world, failure)
    result = work(world)
    ticket = world.ticket()
    assert (result.outcome, ticket.status, len(world.codat.calls)) == (kind, status, 1)
    assert (ticket.failure.kind, ticket.failure.text) == (kind, failure.error)
    counts_as_a_step = kind in {"busy", "unavailable", "outcome_unknown", "not_understood"}
    assert ticket.backoffs == counts_as_a_step


@pytest.mark.parametrize(("failure", "kind", "status"), ROWS, ids=str)
def test_the_lease_is_kept_only_when_a_read_of_ours_may_run(world, failure, kind, status):
    world.opened()
    failing(world, failure)
    work(world)
    holder = world.leases.get("c1", "a")[0].holder
    assert holder == ("a" if kind in {"outcome_unknown", "not_understood"} else None)


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
    # FREE and OPEN calls repeat their key, an answered one takes a fresh key
    assert (first == second) == (kind in {"outcome_unknown", "not_understood", "rate_limited"})


def test_the_cached_answer_trap_after_a_503_no_refresh_starves(world):
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
    # nothing reaches Codat for longer than it remembers the key; the read ends meanwhile
    ticket, version = world.tickets.get("c1", "a")
    world.run_until(START + 2 * HOUR)
    world.tickets.put(replace(ticket, due_at=world.now()), version)
    result = work(world)
    assert (result.outcome, result.called) == ("already_read", False)
    assert world.ticket().status is TicketStatus.COMPLETED


def test_a_stale_generation_makes_no_call(world):
    world.opened()
    world.dispatcher()
    old = world.ticket().generation - 1
    assert world.worker(RefreshMessage("c1", "a", old)).outcome == "stale"
    assert not world.codat.calls


def test_a_message_that_comes_after_its_deadline_makes_no_call(world):
    world.opened(failure=Failure("busy", "a read is in progress"), deadline=START + MINUTE)
    world.dispatcher()
    message = RefreshMessage("c1", "a", world.ticket().generation)
    world.clock = START + MINUTE
    assert world.worker(message).outcome == "still_syncing"
    assert world.ticket().status is TicketStatus.STILL_SYNCING
    assert not world.codat.calls


def test_a_message_that_comes_twice_makes_one_call(world):
    world.opened()
    work(world)
    message = RefreshMessage("c1", "a", world.ticket().generation)
    assert world.worker(message).outcome == "stale"
    assert len(world.codat.calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.register(a_product("b")),
        lambda w: w.register(a_product("a", replace(DAILY, enabled=False)), a_product("b")),
        lambda w: w.register(Product("a", ProductKind.STANDARD)),
        lambda w: w.absent("c1", "a"),
        lambda w: w.assign("c1", "a", consented=False),
        lambda w: w.register(a_product("a", data_types=("invoices", "payments"))),
    ],
)
def test_disabled_removed_or_without_consent_not_one_more_call(world, change):
    world.opened()
    world.dispatcher()
    change(world)
    result = world.worker(RefreshMessage("c1", "a", world.ticket().generation))
    assert (result.outcome, world.ticket().status) == ("cancelled", TicketStatus.CANCELLED)
    assert world.ticket().failure.text
    assert not world.codat.calls


def test_404_marks_the_assignment_stale_for_reconcile(world):
    world.opened()
    failing(world, errors.NotFound("gone", status=404))
    work(world)
    assert world.assignments.get("c1", "a")[0].status is AssignmentStatus.STALE


def test_a_second_product_waits_for_the_companys_lease_without_an_attempt(world):
    world.opened(product="a")
    world.opened(product="b")
    work(world, product="a")
    result = work(world, product="b")
    ticket = world.ticket(product="b")
    assert (result.outcome, ticket.waits_for) == ("lease", Waits.LEASE)
    assert (ticket.attempts, ticket.backoffs) == (0, 0)
    world.run_until(START + 30 * MINUTE)  # a's read ends: b goes at once, with no dispatcher
    assert [product for _, product, _ in world.codat.accepted] == ["a", "b"]


def test_a_wrong_key_stops_everyone_after_one_call_and_a_probe_finds_it_mended(world):
    for company_id in ("c1", "c2", "c3"):
        world.opened(company_id)
    failing(world, errors.Unauthorized("key", status=401))
    world.dispatching().run_until(START + 4 * MINUTE)
    assert len(world.codat.calls) == 1
    assert world.codat.forgotten == 1  # so that a rotation is noticed
    world.run_until(START + 8 * MINUTE)
    assert len(world.codat.calls) == 2  # one probe in five minutes
    world.codat.fault = lambda *_: None
    world.run_until(START + 20 * MINUTE)
    assert len(world.codat.accepted) == 3


@pytest.mark.parametrize("status", [402, 403])
def test_one_companys_refusal_stops_nobody_else(world, status):
    for company_id in ("c1", "c2", "c3", "c4"):
        world.opened(company_id)

    def fault(company_id, product):
        if company_id == "c1":
            raise errors.Forbidden("plan", status=status)

    world.codat.fault = fault
    world.dispatching().run_until(START + 3 * MINUTE)
    assert {company for company, _, _ in world.codat.accepted} == {"c2", "c3", "c4"}
    assert world.limiters.get()[0].breaker.cause is None


def test_three_companies_refused_in_a_row_open_the_breaker(world):
    for company_id in ("c1", "c2", "c3", "c4"):
        world.opened(company_id)
    failing(world, errors.Forbidden("plan", status=402))
    world.dispatching().run_until(START + 3 * MINUTE)
    assert len(world.codat.calls) == 3
    assert world.limiters.get()[0].breaker.cause is Cause.FORBIDDEN


def test_a_429_stops_the_fleet_until_codat_says_so(world):
    for company_id in ("c1", "c2", "c3"):
        world.opened(company_id)
    failing(world, errors.RateLimited("quota", status=429, retry_at=START + HOUR))
    world.dispatching().run_until(START + 30 * MINUTE)
    assert len(world.codat.calls) == 1
    assert {world.ticket(c).waits_for for c in ("c1", "c2", "c3")} <= {Waits.RATE_LIMIT, None}
    world.codat.fault = lambda *_: None
    world.run_until(START + 64 * MINUTE)
    assert len(world.codat.accepted) == 3
    assert world.codat.calls[1] >= START + HOUR


def test_a_reset_event_frees_the_fleet_before_its_time(world):
    world.opened("c1")
    world.opened("c2")
    failing(world, errors.RateLimited("quota", status=429, retry_at=START + 10 * HOUR))
    world.dispatching().run_until(START + 2 * MINUTE)
    world.codat.fault = lambda *_: None
    world.notices.put(reset(Stamp(world.now(), "e")), 0)
    world.opened("c3")
    world.run_until(START + 5 * MINUTE)
    assert "c3" in {company for company, _, _ in world.codat.accepted}
    assert world.limiters.get()[0].breaker.cause is None


def test_what_waited_for_the_quota_goes_once_a_reset_event_says_so(world):
    world.opened("c1")
    failing(world, errors.RateLimited("quota", status=429, retry_at=START + 10 * HOUR))
    world.dispatching().run_until(START + 2 * MINUTE)
    world.codat.fault = lambda *_: None
    world.notices.put(reset(Stamp(world.now(), "e")), 0)
    world.run_until(START + 30 * MINUTE)
    assert {company for company, _, _ in world.codat.accepted} == {"c1"}


def test_a_wrong_client_makes_no_call_at_all(world):
    def wrong():
        raise errors.WrongClient("another client's key")

    world.opened("c1")
    world.opened("c2")
    world.check_client = wrong
    world.dispatching().run_until(START + 3 * MINUTE)
    assert not world.codat.calls
    assert world.ticket("c1").attempts == 0
    world.check_client = lambda: None
    world.run_until(START + 12 * MINUTE)
    assert len(world.codat.accepted) == 2


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.Busy("in progress", status=400), TicketStatus.STILL_SYNCING),
        (
            errors.RateLimited("quota", status=429, retry_at=START + 30 * HOUR),
            TicketStatus.RATE_LIMITED,
        ),
        (errors.TryLater("down", status=503), TicketStatus.FAILED),
        (errors.Unauthorized("key", status=401), TicketStatus.FAILED),
    ],
)
def test_at_the_deadline_the_ticket_says_what_it_waited_for(world, failure, status):
    world.opened()
    failing(world, failure)
    world.dispatching().run_until(START + timedelta(hours=14, minutes=2))
    assert world.ticket().status is status
    assert not world.queue.dead


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


def test_by_client_level_settings_each_data_type_is_a_call(world):
    world.opened("c9", None, data_types=("invoices", "bills"), requested_by="arn")
    world.codat.lock = "product"
    world.codat.read_time = lambda: timedelta(0)
    world.dispatching().run_until(START + 5 * MINUTE)
    assert len(world.codat.calls) == 2
    assert world.ticket("c9", None).status is TicketStatus.COMPLETED


def test_once_on_product_level_settings_no_client_level_refresh_is_made(world):
    world.opened("c1", None, requested_by="arn")
    world.dispatching().run_until(START + 2 * MINUTE)
    assert world.ticket("c1", None).status is TicketStatus.CANCELLED
    assert not world.codat.calls


@pytest.mark.parametrize("moment", ["before_put", "after_put"])
@pytest.mark.parametrize("busy_first", [False, True])
def test_killed_at_any_write_the_refresh_is_accepted_once_in_the_end(moment, busy_first):
    for death in range(12):
        world = World(seed=death)
        world.register(a_product("a"))
        world.assign("c1", "a")
        world.opened()
        if busy_first:
            world.codat.read("c1", None, 5 * MINUTE)
        world.dispatcher()
        left = iter(range(death))

        def die(left=left):
            if next(left, None) is None:
                raise Died

        setattr(world.table, moment, die)
        message = RefreshMessage("c1", "a", world.ticket().generation)
        world.safely(lambda w=world, m=message: w.worker(m))
        setattr(world.table, moment, lambda: None)
        world.dispatching().run_until(START + 3 * HOUR)
        assert len(world.codat.accepted) == 1, death
        assert world.ticket().status is TicketStatus.COMPLETED
        assert not world.queue.dead
