"""A worker with the real client, against a server that answers as Codat or an edge does."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Transport, new_http
from codat_hub.rate_limiting.domain.breaker import Cause
from codat_hub.refresh.domain.ticket import TicketStatus
from tests.support.codat.wire import Wire, reply
from tools.simulation.refresh_world import MINUTE, START, World, a_product

HOUR = timedelta(hours=1)
HTML = b"<html><body><h1>Request blocked</h1></body></html>"
REFUSED = {"statusCode": 400, "error": "Bank Feeds doesn't support data refreshing."}


def page(status):
    return reply(status, content=HTML, headers={"Content-Type": "text/html"})


@pytest.fixture
def world():
    with Wire() as wire:
        world = World(seed=1)
        world.register(a_product("a"), a_product("b"))
        world.wire = wire
        transport = Transport(new_http(), GivenKey("a-key"), base_url=wire.url, now=world.now)
        world.codat = CodatClient(transport)
        world.worker = world.a_worker()
        yield world


def waiting(world, *company_ids, product="a"):
    for company_id in company_ids:
        world.assign(company_id, product)
        world.opened(company_id, product)


def refused(world, script, count=1):
    """Let so many refreshes meet this answer."""
    for number in range(count):
        waiting(world, f"c{number}")
    world.wire.script = script
    world.dispatcher()
    world.run_until(world.clock + timedelta(seconds=30))


def breaker(world):
    return world.limiters.get()[0].breaker


def probes(world, duration):
    """The times from now on, in seconds, at which a call leaves."""
    start, times = world.clock, []
    answer = world.wire.script

    def script(line):
        times.append((world.clock - start).total_seconds())
        answer(line)

    world.wire.script = script
    world.dispatching().run_until(start + duration)
    return times


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("0.493", timedelta(seconds=10)),
        ("299.997", timedelta(seconds=299.997)),
        ("2026-07-01T00:10:00Z", 10 * MINUTE),
        ("-5", MINUTE),
        ("soon", MINUTE),
        ("", MINUTE),
    ],
)
def test_a_429_stops_the_calls_for_as_long_as_it_says_or_for_a_minute(world, text, wait):
    refused(world, reply(429, {"error": "slow down"}, headers={"Retry-After": text}))
    assert breaker(world).cause is Cause.RATE_LIMITED
    assert breaker(world).probe_at == START + wait


def test_the_guards_pauses_are_1_2_4_then_5_minutes_with_one_probe_each(world):
    refused(world, reply(429, {"error": "slow down"}), count=20)
    assert len(world.wire.requests) == 1  # the others met the open breaker
    gaps = [0, *probes(world, 30 * MINUTE)]
    waits = [after - before for before, after in itertools.pairwise(gaps)]
    assert waits == [60, 120, 240, 300, 300, 300, 300]


def test_the_quota_of_the_day_is_used_up_only_if_the_answer_says_so(world):
    spent = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Limit": "2000"}
    waiting(world, "c0")
    old, version = world.tickets.get("c0", "a")
    assert world.tickets.put(replace(old, requested_by="a person"), version)  # past the reserve
    world.wire.script = reply(429, {"error": "used up"}, headers=spent)
    world.dispatcher()
    world.run_until(START + 10 * timedelta(seconds=1))
    assert len(probes(world, 10 * HOUR)) == 10  # hourly
    assert world.ticket("c0").status is TicketStatus.QUEUED


@pytest.mark.parametrize("status", [400, 402, 403, 404])
@pytest.mark.parametrize("script", [page, reply])
def test_an_edges_answer_is_tried_again_and_fails_no_ticket(world, status, script):
    refused(world, script(status))
    ticket = world.ticket("c0")
    assert (ticket.status, ticket.failure.kind) == (TicketStatus.QUEUED, "unavailable")
    assert ticket.key is None  # the next call takes a fresh one
    world.wire.script = reply(202)
    world.dispatching().run_until(START + 5 * MINUTE)
    assert world.ticket("c0").status is TicketStatus.ACCEPTED


def test_ten_answers_of_an_edge_in_a_row_open_the_breaker_until_codat_answers(world):
    refused(world, page(403), count=9)
    assert breaker(world).cause is None
    waiting(world, "c10")
    world.dispatcher()
    world.run_until(world.clock + MINUTE)
    assert breaker(world).cause is Cause.EDGE
    world.wire.script = reply(400, REFUSED)
    world.dispatching().run_until(world.clock + 8 * MINUTE)
    assert breaker(world).cause is None


@pytest.mark.parametrize(
    ("status", "cause"), [(401, Cause.UNAUTHORIZED), (429, Cause.RATE_LIMITED)]
)
@pytest.mark.parametrize("script", [page, reply])
def test_a_401_or_429_keeps_its_meaning_whatever_the_body(world, status, cause, script):
    refused(world, script(status))
    assert breaker(world).cause is cause


@pytest.mark.parametrize(("opened_by", "closes"), [(401, True), (429, True), (403, False)])
def test_a_refused_probe_closes_the_breaker_if_it_disproves_the_cause(world, opened_by, closes):
    refused(world, reply(opened_by, {"error": "no"}), count=3)
    assert breaker(world).cause is not None
    waiting(world, "c8", "c9")
    world.wire.script = reply(400, REFUSED)
    world.dispatching().run_until(world.clock + 7 * MINUTE)
    assert (breaker(world).cause is None) is closes


def test_a_product_that_is_always_refused_does_not_take_every_probe(world):
    refused(world, reply(403, {"error": "plan"}), count=3)
    waiting(world, *[f"a{number}" for number in range(20)])
    waiting(world, "good", product="b")

    def script(line):
        path = world.wire.requests[-1].path
        (reply(202) if "/b/" in path else reply(400, REFUSED))(line)

    world.wire.script = script
    world.dispatching().run_until(world.clock + 15 * MINUTE)
    assert world.ticket("good", "b").accepted_at is not None
    assert breaker(world).cause is None


def test_a_key_is_kept_only_without_an_answer_or_after_a_429(world):
    keys = {}
    for script, kept in [
        (reply(503, {"error": "oops"}), False),
        (page(403), False),
        (reply(200, content=HTML), False),
        (lambda line: line.reset(), True),
        (reply(429, {"error": "slow"}), True),
    ]:
        company_id = f"k{len(keys)}"
        waiting(world, company_id)
        world.wire.script = script
        world.dispatcher()
        world.run_until(world.clock + 2 * timedelta(seconds=1))
        key = world.ticket(company_id).key
        keys[company_id] = (key is not None and key.value is not None) is kept
    assert all(keys.values()), keys
