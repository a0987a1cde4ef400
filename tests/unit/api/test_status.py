"""The status shows the last complete reconcile, and a limit only while it lasts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.api.queries.status import ShowStatus
from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.reconcile_run import Integration, ReconcileRun, StepOutcome
from tools.simulation.fakes import FakeStateTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = ReconcileRun("1", "ann", NOON)
FOUND = {"consumers": {"platform": {"at_codat": True}}}


@pytest.fixture
def table():
    return FakeStateTable()


@pytest.fixture
def show(table):
    return ShowStatus(
        environment="dev",
        bound_to="c1",
        last_check=lambda: None,
        runs=ReconcileRunStore(table),
        registry=ProductStore(table),
        rate_limits=RateLimitNoticeStore(table),
        limiters=RateLimiterStore(table),
        now=lambda: NOON,
    )


def test_a_new_hub_has_nothing_to_show(show):
    status = show()
    assert (status.products, status.latest, status.seen, status.check) == ((), None, None, None)
    assert (dict(status.integrations), dict(status.consumers)) == ({}, {})
    assert not status.confirmed


def test_findings_come_from_the_newest_complete_run_and_the_newest_run_is_shown_too(show):
    outcome = StepOutcome(None, integrations={"gbol": Integration("QBO", 3, 2)}, facts=FOUND)
    complete = RUN.after(outcome, (), NOON)
    failed = replace(RUN, reconcile_id="2").failed("HTTP 403", NOON)
    for run in (complete, failed):
        assert show.runs.put(run, 0)
    status = show()
    assert (status.latest, status.seen) == (failed, complete)
    assert status.integrations == {"gbol": Integration("QBO", 3, 2)}
    assert status.consumers == FOUND["consumers"]


@pytest.mark.parametrize(
    ("bound_to", "reported", "confirmed"),
    [("c1", "C1", True), ("c1", "c2", False), ("c2", "c2", False)],
)
def test_the_client_is_confirmed_by_a_right_check_of_the_present_binding(
    show, bound_to, reported, confirmed
):
    check = ClientCheck(bound_to, reported, "v", NOON)
    assert replace(show, last_check=lambda: check)().confirmed is confirmed


@pytest.mark.parametrize(("seconds", "blocked"), [(1, True), (0, False), (-1, False)])
def test_a_limit_blocks_calls_until_it_ends(show, seconds, blocked):
    until = NOON + timedelta(seconds=seconds)
    assert show.rate_limits.put(RateLimitNotice(Stamp(NOON, "e"), until), 0)
    assert show().blocked_until == (until if blocked else None)


@pytest.mark.parametrize("cause", Cause)
def test_an_open_breaker_is_shown_with_its_cause_its_time_and_its_next_probe(show, cause):
    since, probe_at = NOON - timedelta(hours=3), NOON + timedelta(minutes=2)
    assert show.limiters.put(RateLimiter(Breaker(cause, since, probe_at)), 0)
    assert show().stopped == (cause, since, probe_at)


def test_a_limiter_that_cannot_be_read_does_not_hide_the_rest(show, table):
    assert show.limiters.put(RateLimiter(), 0)
    (key,) = table.items
    table.spoil(key, breaker={"cause": "quantum"})
    assert show().stopped is None
