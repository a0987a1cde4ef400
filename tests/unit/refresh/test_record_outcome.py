"""What a call's outcome changes: the ticket, the lease, the assignment, and all other calls."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.codat.domain.quota import Quota
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.rate_limiting.domain.breaker import Cause
from codat_hub.rate_limiting.domain.rate_limit_notice import reset
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.refresh.usecases.record_outcome import RefreshReport
from tests.support.refresh_worker import HOUR, ROWS, a_message, a_world, failing, work
from tools.simulation.refresh_world import MINUTE, START


@pytest.fixture
def world():
    return a_world()


def test_a_breaker_that_opens_is_reported_once(world):
    world.opened("c1")
    world.opened("c2")
    failing(world, errors.Unauthorized("key", status=401))
    assert work(world, "c1").opened is Cause.UNAUTHORIZED
    world.clock += 5 * MINUTE
    assert work(world, "c2").opened is None  # the probe


def test_an_accepted_call_that_teaches_nothing_writes_no_limiter(world):
    world.opened("c1")
    world.opened("c2")
    world.codat.quota = Quota(1000, 900, START + HOUR)
    work(world, "c1")
    _, version = world.limiters.get()
    work(world, "c2")  # with the same quota
    assert world.limiters.get()[1] == version + 1  # it passed, and no more


def test_a_ticket_that_was_cancelled_during_its_call_stays_cancelled(world):
    def cancel(*_):
        world.opened(status=TicketStatus.CANCELLED)

    world.opened()
    world.codat.fault = cancel
    report = work(world)
    assert (report.outcome, report.ticket) == ("accepted", None)
    assert world.ticket().status is TicketStatus.CANCELLED


def test_a_failed_ticket_leaves_its_lease_to_the_next_that_waits(world):
    world.opened(product="a")
    world.opened(product="b", status=TicketStatus.BUSY, due_at=START + HOUR)
    failing(world, errors.Permanent("doesn't support", status=400))
    assert work(world, product="a").woken
    assert world.ticket(product="b").status is TicketStatus.SENT


@pytest.mark.parametrize(("failure", "kind", "status"), ROWS, ids=str)
def test_each_row_of_the_taxonomy(world, failure, kind, status):
    world.opened()
    failing(world, failure)
    result = work(world)
    ticket = world.ticket()
    assert (result.outcome, ticket.status, len(world.codat.calls)) == (kind, status, 1)
    assert (ticket.failure.kind, ticket.failure.text) == (kind, failure.error)
    assert (result.ticket, result.called, result.woken) == (ticket, True, False)
    assert ticket.attempts == 1
    counts_as_a_step = kind in {"busy", "unavailable", "outcome_unknown", "not_understood"}
    assert ticket.backoffs == counts_as_a_step


@pytest.mark.parametrize(("failure", "kind", "status"), ROWS, ids=str)
def test_the_lease_is_kept_only_when_a_read_of_ours_may_run(world, failure, kind, status):
    world.opened()
    failing(world, failure)
    work(world)
    holder = world.leases.get("c1", "a")[0].holder
    assert holder == ("a" if kind in {"outcome_unknown", "not_understood"} else None)


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        (errors.OutcomeUnknown("cut"), True),
        (errors.RateLimited("quota", status=429), True),
        (errors.TryLater("down", status=503), False),
        (errors.Busy("in progress", status=400), False),
        (errors.Permanent("no", status=400), False),
    ],
)
def test_the_key_is_kept_only_if_the_call_may_be_repeated(world, failure, kept):
    world.opened()
    failing(world, failure)
    key = work(world).ticket.key
    assert (key is not None and key.value == world.codat.keys[0]) is kept


def test_a_wrong_client_is_no_attempt_and_gives_the_lease_back(world):
    def wrong():
        raise errors.WrongClient("another client's key")

    world.opened()
    world.check_client = wrong
    result = work(world)
    ticket = world.ticket()
    assert (result.outcome, result.called, result.opened) == (
        "wrong_client",
        False,
        Cause.WRONG_CLIENT,
    )
    assert (result.ticket, ticket.status, ticket.waits_for) == (
        ticket,
        TicketStatus.QUEUED,
        Waits.BREAKER,
    )
    assert (ticket.attempts, ticket.key, ticket.due_at) == (0, None, world.now())
    assert ticket.failure == Failure("wrong_client", "another client's key")
    assert world.leases.get("c1", "a")[0].holder is None
    assert not result.woken


def test_a_wrong_client_leaves_an_earlier_key_and_passes_the_turn_on(world):
    def wrong():
        raise errors.WrongClient("another client's key")

    earlier = HeldKey("old", START)
    world.opened(product="a", key=earlier)
    world.opened(product="b", status=TicketStatus.BUSY, due_at=START + HOUR)
    world.check_client = wrong
    assert work(world, product="a").woken
    assert world.ticket(product="a").key == earlier
    assert world.ticket(product="b").status is TicketStatus.SENT


def test_another_read_that_ends_during_a_first_call_is_not_taken_for_its_own(world):
    def ended_meanwhile(*_):
        world.last_reads["c1", "a"] = world.now()

    world.opened(product="a")
    world.opened(product="b", status=TicketStatus.BUSY, due_at=START + HOUR)
    world.codat.fault = ended_meanwhile
    assert not work(world, product="a").woken
    assert world.ticket(product="a").status is TicketStatus.ACCEPTED
    assert world.leases.get("c1", "a")[0].holder == "a"


def test_a_message_without_a_call_reports_only_its_outcome():
    assert RefreshReport("stale") == RefreshReport("stale", None, False, None, False)


def test_an_answer_that_comes_after_the_end_of_its_read_does_the_events_work(world):
    world.wakes = False
    world.opened(product="a")
    lost = iter(["after"])
    world.codat.fault = lambda *_: next(lost, None)
    world.codat.read_time = lambda: MINUTE
    work(world)
    world.run_until(START + 10 * MINUTE)  # the read ends, and its event wakes nobody
    world.opened(product="b", status=TicketStatus.BUSY, due_at=START + HOUR)
    ticket, version = world.tickets.get("c1", "a")
    world.tickets.put(replace(ticket, due_at=world.now()), version)
    result = work(world)  # the same key: Codat repeats its answer
    assert (result.outcome, result.woken, len(world.codat.accepted)) == ("accepted", True, 1)
    assert world.ticket(product="a").status is TicketStatus.COMPLETED
    assert world.ticket(product="b").status is TicketStatus.SENT


def test_a_refresh_that_met_a_read_which_ended_during_its_call_goes_again_at_once(world):
    def ended_meanwhile(*_):
        lease, version = world.leases.get("c1", "a")
        world.leases.put("c1", "a", lease_rules.after_read(lease, "b", world.now()), version)
        raise errors.Busy("in progress", status=400)

    world.opened()
    world.codat.fault = ended_meanwhile
    assert work(world).woken
    assert (world.ticket().status, world.ticket().generation) == (TicketStatus.SENT, 2)


def test_a_failed_ticket_keeps_codats_words_and_its_reference(world):
    world.opened()
    failing(world, errors.Permanent("no such product", status=400, correlation_id="ref-1"))
    work(world)
    assert world.ticket().failure == Failure("rejected", "no such product", "ref-1")


def test_several_answers_of_calls_that_left_before_it_opened_leave_the_breaker_open(world):
    world.opened("c1")
    world.opened("c2")

    def slow(company_id, product):
        if company_id == "c1":  # while it is on its way, c2's call is refused
            world.clock += timedelta(seconds=1)
            failing(world, errors.Unauthorized("key", status=401))
            world.worker(a_message(world, "c2"))

    world.codat.fault = slow
    work(world, "c1")
    assert world.limiters.get()[0].breaker.cause is Cause.UNAUTHORIZED


def test_a_timeout_of_the_probe_leaves_the_breaker_open(world):
    world.opened("c1")
    world.opened("c2")
    failing(world, errors.Unauthorized("key", status=401))
    work(world, "c1")
    failing(world, errors.OutcomeUnknown("no answer"))
    world.clock += 5 * MINUTE
    assert work(world, "c2").outcome == "outcome_unknown"
    assert world.limiters.get()[0].breaker.cause is Cause.UNAUTHORIZED


def test_404_marks_the_assignment_stale_for_reconcile(world):
    world.opened()
    failing(world, errors.NotFound("gone", status=404))
    world.clock += MINUTE
    work(world)
    assignment, _ = world.assignments.get("c1", "a")
    assert (assignment.status, assignment.changed_by, assignment.changed_at) == (
        AssignmentStatus.STALE,
        "refresh_product",
        world.now(),
    )


def test_a_404_by_client_level_settings_marks_no_assignment(world):
    world.opened("c9", None, requested_by="arn")
    failing(world, errors.NotFound("gone", status=404))
    assert work(world, "c9", None).ticket.status is TicketStatus.FAILED
    assert world.assignments.of_company("c9") == []


def test_the_quota_that_an_answer_tells_counts_for_all_others(world):
    world.opened()
    world.codat.quota = Quota(1000, 200, START + HOUR)
    work(world)
    assert world.limiters.get()[0].scheduled_left(world.now()) == 0  # the rest is for people


def test_a_wrong_key_stops_all_refreshes_after_one_call_until_a_probe_succeeds(world):
    for company_id in ("c1", "c2", "c3"):
        world.opened(company_id)
    failing(world, errors.Unauthorized("key", status=401))
    world.dispatching().run_until(START + 4 * MINUTE)
    assert len(world.codat.calls) == 1
    assert world.codat.forgotten == 1  # so that a new key counts at once
    world.run_until(START + 8 * MINUTE)
    assert len(world.codat.calls) == 2  # one probe in five minutes
    world.codat.fault = lambda *_: None
    world.run_until(START + 20 * MINUTE)
    assert len(world.codat.accepted) == 3


@pytest.mark.parametrize("status", [402, 403])
def test_one_companys_refusal_stops_no_other_company(world, status):
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


def test_a_429_stops_all_refreshes_until_codat_says_so(world):
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


def test_a_reset_event_frees_all_refreshes_before_retry_after(world):
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


def test_a_ticket_that_waited_for_the_quota_goes_after_a_reset_event(world):
    world.opened("c1")
    failing(world, errors.RateLimited("quota", status=429, retry_at=START + 10 * HOUR))
    world.dispatching().run_until(START + 2 * MINUTE)
    world.codat.fault = lambda *_: None
    world.notices.put(reset(Stamp(world.now(), "e")), 0)
    world.run_until(START + 30 * MINUTE)
    assert {company for company, _, _ in world.codat.accepted} == {"c1"}
