"""The courier carries postings over real connections."""

import asyncio
import socket

from tests.support.sandbox.worlds import START, a_consumer, a_simulation
from tools.sandbox.webhooks import courier


def test_an_endpoint_that_does_not_answer_in_time_is_a_failure(monkeypatch):
    monkeypatch.setattr(courier, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        (attempt,) = asyncio.run(attempts_at(url))
    assert (attempt.status, attempt.error) == (None, "no answer within 0.05 s")
    assert attempt.latency_seconds >= 0.05


def test_codat_waits_for_fifteen_seconds():
    assert courier.TIMEOUT_SECONDS == 15


def test_an_address_that_cannot_be_asked_is_a_failure_not_a_crash():
    (attempt,) = asyncio.run(attempts_at("http://127.0.0.1:1/"))
    assert attempt.status is None
    assert "ConnectError" in attempt.error


async def attempts_at(url):
    """Make the first attempt of a message and return the recorded attempts."""
    simulation = a_simulation()
    a_consumer(simulation, "x", url=url)
    simulation.world.emit("x", {}, None)
    done = asyncio.Event()
    carrier = courier.Courier(lambda: START, done.set)
    carrier.dispatch(simulation.office)
    await asyncio.wait_for(done.wait(), 30)
    await carrier.close()
    return next(iter(simulation.office.state.deliveries.values())).attempts


def test_an_attempt_that_is_given_up_at_a_stop_is_made_again():
    assert asyncio.run(due_after_a_stop())


async def due_after_a_stop():
    """Tell whether a delivery is due again whose attempt ran when the courier closed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        simulation = a_simulation()
        a_consumer(simulation, "x", url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        simulation.world.emit("x", {}, None)
        carrier = courier.Courier(lambda: START, lambda: None)
        carrier.dispatch(simulation.office)
        await asyncio.sleep(0)
        assert next(iter(simulation.office.state.deliveries.values())).due is None
        await carrier.close()
        return simulation.office.next_due() is not None


def test_an_attempt_that_fails_in_an_unexpected_way_is_a_failure_too(monkeypatch):
    async def post(*_, **__):
        raise OverflowError("port must be 0-65535")

    monkeypatch.setattr("httpx.AsyncClient.post", post)
    (attempt,) = asyncio.run(attempts_at("http://127.0.0.1:9/"))
    assert (attempt.status, attempt.error) == (None, "OverflowError: port must be 0-65535")
