"""The API key, raw or encoded, is shown in the Authorization header only."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import socket
import traceback

import httpx
import pytest

from codat_hub.codat import errors
from codat_hub.codat.adapters.api_key import ApiKey, GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from tests.support.codat.wire import Wire, reply

RAW = "zP7r+Qm/x9Lk2vT0bWc8-Yd4Hs1"
ENCODED = base64.b64encode(RAW.encode()).decode()
PATIENT, QUICK = Timeouts(), Timeouts(connect=5.0, read=0.8, total=0.8)


@pytest.fixture
def wire():
    with Wire() as server:
        yield server


@pytest.fixture
def logged(caplog):
    """Everything that any library logs, at every level, as a formatter would write it."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    formatter = logging.Formatter("%(message)s %(exc_text)s")
    return lambda: "\n".join(
        formatter.format(record) + repr(vars(record)) for record in caplog.records
    )


def echo(status, **fields):
    """An answer that quotes the request, escaped and plain, in body and headers."""
    said = f"bad header 'Basic {ENCODED}' for key {RAW}"
    body = {"error": said, "correlationId": ENCODED, **fields}
    text = json.dumps(body).replace("+", "\\u002b").replace("/", "\\/")
    return reply(status, content=text.encode(), headers={"X-Echo": f"Basic {ENCODED}"})


def resets(line):
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    line.reset()


FAULTS = {
    "echo in a 400": echo(400),
    "echo in a 401": echo(401),
    "echo in a 429": echo(429),
    "echo in a 500": echo(500),
    "echo in a redirect": echo(302),
    "echo in a 200 of another shape": echo(200, id=3),
    "keys of the body are the key": reply(200, {"id": "c", "tags": {RAW: 1, ENCODED: 2}}),
    "echo as a page": reply(502, content=f"<p>{RAW} {ENCODED}</p>".encode()),
    "echo as a broken page": reply(200, content=f"<p>{RAW} {ENCODED}</p>".encode()),
    "reset": resets,
    "silence": lambda line: line.hold(30),
    "echo as no HTTP": lambda line: line.send(f"{RAW} {ENCODED}\r\n\r\n".encode()),
    "echo as a broken header": lambda line: line.send(
        f"HTTP/1.1 200 OK\r\n\tx {RAW} {ENCODED}\r\n\r\n".encode()
    ),
    "echo as an encoding": reply(200, content=b"x", headers={"Content-Encoding": f"gzip, {RAW}"}),
    "echo as a reason": lambda line: line.send(
        f"HTTP/1.1 500 {RAW} {ENCODED}\r\nContent-Length: 0\r\n\r\n".encode()
    ),
    "echo as a place to go": reply(302, headers={"Location": f"http://[{RAW}{ENCODED}"}),
    "echo as an odd place to go": reply(302, headers={"Location": f"urn:{RAW}{ENCODED}"}),
    "no HTTP": lambda line: line.send(b"220 ESMTP\r\n"),
}


def all_that_shows(failure):
    """Return all that a log, a stack trace or a debugger would show of an exception."""
    shown = []
    while failure is not None:
        shown += [str(failure), repr(failure), repr(failure.args), repr(vars(failure))]
        shown += traceback.format_exception(failure)
        failure = failure.__cause__ or failure.__context__
    return "\n".join(shown)


def assert_secret(text):
    for secret in (RAW, ENCODED, RAW[4:20], ENCODED[4:20]):
        assert secret not in text


@pytest.mark.parametrize("fault", FAULTS)
def test_no_exception_and_no_log_line_shows_the_key(wire, logged, fault):
    wire.script = FAULTS[fault]
    timeouts = QUICK if fault in {"silence", "no HTTP"} else PATIENT
    codat = CodatClient(Transport(new_http(), GivenKey(RAW), base_url=wire.url, timeouts=timeouts))

    with pytest.raises(errors.CallFailed) as caught:
        codat.company("c1")

    assert wire.requests[0].headers["authorization"] == f"Basic {ENCODED}", "it was really sent"
    assert_secret(all_that_shows(caught.value))
    assert_secret(pickle.dumps(caught.value.with_traceback(None)).decode("latin-1"))
    assert_secret(logged())


def test_a_refused_connection_does_not_show_the_key(logged):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    codat = CodatClient(Transport(new_http(), GivenKey(RAW), base_url=url, timeouts=QUICK))
    with pytest.raises(errors.OutcomeUnknown) as caught:
        codat.company("c1")
    assert_secret(all_that_shows(caught.value) + logged())


def test_an_answer_that_succeeds_does_not_show_the_key(wire, logged):
    wire.script = reply(200, {"id": "c1", "name": "Bakery"})
    codat = CodatClient(Transport(new_http(), GivenKey(RAW), base_url=wire.url))
    answer = codat.company("c1")
    logging.getLogger("httpx").warning("heard")
    assert "heard" in logged(), "a warning of the libraries below would be seen"
    assert "HTTP Request" not in logged()
    assert_secret(repr(answer) + logged())


@pytest.mark.parametrize(
    "make",
    [
        lambda: ApiKey(RAW),
        lambda: GivenKey(RAW),
        lambda: Transport(httpx.Client(), GivenKey(RAW)),
        lambda: CodatClient(Transport(httpx.Client(), GivenKey(RAW))),
    ],
)
def test_no_repr_shows_the_key(make):
    made = make()
    inside = [repr(value) for value in getattr(made, "__dict__", {}).values()]
    assert_secret("\n".join([repr(made), str(made), f"{made!a}", *inside]))


@pytest.mark.parametrize("key", [f"{RAW}\n", f"  {RAW}\r\n", f"{RAW}\n{RAW}", f"{RAW}\0é\u2028"])
def test_a_key_with_odd_characters_is_sent_encoded_and_never_as_a_broken_header(wire, logged, key):
    codat = CodatClient(Transport(new_http(), GivenKey(key), base_url=wire.url))
    wire.script = reply(401, {"error": "Unauthorized"})
    with pytest.raises(errors.Unauthorized) as caught:
        codat.company("c1")

    sent = wire.requests[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == key.strip()
    assert_secret(all_that_shows(caught.value) + logged())
