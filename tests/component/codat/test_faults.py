"""The client against a server that really breaks: always an exception of errors.py, in time."""

from __future__ import annotations

import gzip
import json
import random
import socket
import traceback
import tracemalloc

import pytest

from codat_hub.codat import errors
from codat_hub.codat.adapters import bodies, transport
from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from codat_hub.codat.domain.quota import Quota
from tests.support.codat.wire import Wire, reply

CORRELATION_ID = "bc997528a9d7abb9161ef45f05d38599"
PATIENT = Timeouts()
# The server's thread may wait for the processor. The timeouts leave it time to send its bytes, and
# no wait for the next bytes ends before the whole call's time.
WAITING = Timeouts(connect=5.0, read=0.8, total=0.8)
DRIPPED_ON = Timeouts(connect=5.0, read=5.0, total=0.4)
BUSY = "Data cannot be refreshed while a read operation is in progress."
COMPANY = {"id": "c1", "name": "Bakery"}


@pytest.fixture
def wire():
    with Wire() as server:
        yield server


def client(url, timeouts=PATIENT):
    return CodatClient(
        Transport(new_http(), GivenKey("jZxQ0y4k8f2Rk1s9"), base_url=url, timeouts=timeouts)
    )


def error_body(text):
    return {
        "statusCode": 418,  # wrong on purpose: only the HTTP status counts
        "service": "PublicApi",
        "error": text,
        "correlationId": CORRELATION_ID,
        "validation": None,
        "canBeRetried": "Unknown",
        "detailedErrorCode": 0,
    }


def refresh(codat):
    return codat.refresh_product("c1", "lending", idempotency_key="k1")


def post_without_key(codat):
    return codat.refresh_product("c1", "lending")


def read(codat):
    return codat.company("c1")


@pytest.mark.parametrize(
    ("call", "status", "text", "kind"),
    [
        (refresh, 400, BUSY, errors.Busy),
        (refresh, 400, "Bank Feeds doesn't support data refreshing.", errors.Permanent),
        (read, 401, "Unauthorized", errors.Unauthorized),
        (refresh, 402, "You have exceeded the 50-company limit", errors.Forbidden),
        (refresh, 403, "You are using an outdated API key", errors.Forbidden),
        (read, 404, "No company was found", errors.NotFound),
        (refresh, 405, "Method not allowed", errors.Permanent),
        (refresh, 408, "Request timeout", errors.TryLater),
        (refresh, 409, "A request with this key is in flight", errors.OutcomeUnknown),
        (post_without_key, 409, "DatasetAlreadyInProgressException: 1", errors.Busy),
        (read, 409, "Data set is still syncing", errors.StillSyncing),
        (refresh, 422, "Key used with another body", errors.KeyReused),
        (refresh, 429, "Too many requests", errors.RateLimited),
        (read, 451, "Not available", errors.Permanent),
        (refresh, 500, "There is a problem with our server", errors.TryLater),
        (refresh, 503, "Offline for maintenance", errors.TryLater),
    ],
)
def test_each_answer_is_its_exception_with_codats_text_and_correlation_id(
    wire, call, status, text, kind
):
    wire.script = reply(
        status,
        error_body(text),
        headers={"X-Rate-Limit-Remaining": "7", "Retry-After": "60"},
    )
    with pytest.raises(errors.CallFailed) as caught:
        call(client(wire.url))

    failure = caught.value
    assert type(failure) is kind
    assert (failure.status, failure.error) == (status, text)
    assert failure.correlation_id == CORRELATION_ID
    assert CORRELATION_ID in str(failure)
    assert failure.quota == Quota(remaining=7)
    assert failure.retry_after.total_seconds() == 60
    assert failure.__cause__ is None
    assert len(wire.requests) == 1, "no retries of its own"


def test_a_refused_connection_leaves_the_outcome_unknown():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(errors.OutcomeUnknown, match=r"ConnectError: .*refused") as caught:
        refresh(client(url))
    assert caught.value.status is None
    assert caught.value.call == "POST /companies/c1/products/lending/refresh"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def silent(line):
    line.hold(30)


def closes_at_once(line):
    line.close()


def resets_at_once(line):
    line.reset()


def resets_in_mid_head(line):
    line.send(HEAD)
    line.reset()


def resets_in_mid_body(line):
    line.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id": ')
    line.reset()


def closes_in_mid_body(line):
    line.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id": ')
    line.close()


def closes_in_mid_chunk(line):
    line.send(HEAD + b'Transfer-Encoding: chunked\r\n\r\n80\r\n{"id": ')
    line.close()


def stalls_in_mid_body(line):
    line.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id": ')
    line.hold(30)


def drips(line):
    line.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        line.send(b" ")
        line.hold(0.05)


def dripping(beginning, drop):
    """Send each piece well within the read timeout, for much longer than the call may take."""

    def script(line):
        line.send(beginning)
        for _ in range(100):
            line.send(drop)
            line.hold(0.05)

    return script


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "a header": dripping(HEAD + b"X-Slow: ", b"a"),
    "interim answers": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a chunk extension": dripping(CHUNKED + b"1;", b"x"),
    "a trailer": dripping(CHUNKED + b'c\r\n{"id": "c1"}\r\n0\r\nX: ', b"x"),
    "a body": dripping(HEAD + b"Content-Length: 1000\r\n\r\n", b" "),
    "a body that unpacks to nothing": dripping(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"
        b"\x1f\x8b\x08\x08\0\0\0\0\0\0",
        b"n",
    ),
}


def speaks_no_http(line):
    line.send(b"220 mail.example.com ESMTP ready\r\n")
    line.close()


def breaks_in_an_error(line):
    line.send(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000\r\n\r\n")
    line.reset()


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (silent, None),
        (closes_at_once, None),
        (resets_at_once, None),
        (resets_in_mid_head, None),
        (resets_in_mid_body, 200),
        (closes_in_mid_body, 200),
        (closes_in_mid_chunk, 200),
        (stalls_in_mid_body, 200),
        (drips, 200),
        (speaks_no_http, None),
        (breaks_in_an_error, 400),
    ],
)
@pytest.mark.parametrize("call", [read, refresh])
def test_an_answer_that_never_becomes_whole_leaves_the_outcome_unknown(wire, script, status, call):
    wire.script = script
    # A silent server is waited for as long as the timeouts say; the other answers end at once.
    waits = script in {silent, stalls_in_mid_body, drips}
    why = "(ReadTimeout|TooSlow)" if waits else ""
    with pytest.raises(errors.OutcomeUnknown, match=f"no whole answer.*{why}") as caught:
        call(client(wire.url, WAITING if waits else PATIENT))

    assert caught.value.status == status
    assert len(wire.requests) == 1
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_cut_off_by_the_deadline_of_the_whole_call(wire, what):
    wire.script = DRIPS[what]
    with pytest.raises(errors.OutcomeUnknown, match=r"TooSlow: over 0\.4 s"):
        read(client(wire.url, DRIPPED_ON))


def test_an_error_with_a_clear_status_is_raised_at_the_deadline_when_its_body_drips(wire):
    drip, dripped = dripping(b"HTTP/1.1 503 Said\r\nContent-Length: 1000\r\n\r\n", b"x"), []

    def script(line):
        drip(line)
        dripped.append("to the end")

    wire.script = script
    with pytest.raises(errors.TryLater):
        read(client(wire.url, WAITING))
    assert not dripped


def test_each_call_on_a_reused_connection_has_a_deadline_of_its_own(wire):
    codat = client(wire.url, Timeouts(connect=1.5, read=1.5, total=1.5))

    def takes_its_time(line):
        line.hold(0.6)
        reply(200, COMPANY)(line)

    wire.script = takes_its_time
    assert [read(codat).status for _ in range(3)] == [200, 200, 200]
    assert wire.connections == 1


def test_an_html_error_page_is_known_by_its_status(wire):
    page = b"<html>" + b"<p>Service unavailable</p>" * 100_000
    wire.script = reply(503, content=page, headers={"Content-Type": "text/html"})
    with pytest.raises(errors.TryLater) as caught:
        read(client(wire.url))
    assert caught.value.correlation_id is None
    assert caught.value.error.startswith("<html><p>Service unavailable</p>")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("call", [read, refresh])
def test_an_html_page_with_200_is_not_understood(wire, call):
    wire.script = reply(200, content=b"<html>Sign in</html>")
    with pytest.raises(errors.NotUnderstood) as caught:
        call(client(wire.url))
    assert caught.value.status == 200
    assert "ValidationError" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("content", [b"{}", b'{"error": null}'])
@pytest.mark.parametrize(("status", "kind"), [(400, errors.Permanent), (500, errors.TryLater)])
def test_an_error_with_an_almost_empty_body_is_known_by_its_status(wire, content, status, kind):
    wire.script = reply(status, content=content)
    with pytest.raises(errors.CallFailed) as caught:
        refresh(client(wire.url))
    assert type(caught.value) is kind


@pytest.mark.parametrize("content", [b"", b"null", b"\xff\xfe\x00", b"<html>Blocked</html>"])
@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 422, 500])
def test_an_error_without_a_body_of_codats_may_succeed_later(wire, content, status):
    wire.script = reply(status, content=content)
    with pytest.raises(errors.TryLater) as caught:
        read(client(wire.url))
    assert caught.value.edge == (status < 500)


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/", "javascript:1", "mailto:x", "about:blank", "urn:x", "http://xn--/", ""],
)
def test_a_redirect_to_any_place_is_not_understood(wire, status, location):
    wire.script = reply(status, headers={"Location": location})
    with pytest.raises(errors.NotUnderstood) as caught:
        refresh(client(wire.url))
    assert caught.value.__context__ is None
    assert len(wire.requests) == 1


def test_an_idempotency_key_that_cannot_be_sent_is_the_callers_mistake(wire):
    with pytest.raises(ValueError, match="visible ASCII"):
        client(wire.url).refresh_product("c1", "lending", idempotency_key="ä")
    assert not wire.requests


def test_an_empty_200_is_not_understood_where_a_body_is_expected(wire):
    wire.script = reply(200)
    with pytest.raises(errors.NotUnderstood):
        read(client(wire.url))


def endless(status):
    def script(line):
        line.send(
            f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        while True:
            line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    return script


def test_of_an_endless_error_only_the_beginning_is_read(wire):
    wire.script = endless(500)
    with pytest.raises(errors.TryLater) as caught:
        read(client(wire.url))
    assert len(str(caught.value)) < 300


def test_an_answer_beyond_the_limit_is_not_read_to_its_end(wire, monkeypatch):
    monkeypatch.setattr(bodies, "LARGEST_ANSWER", 500_000)
    wire.script = endless(200)
    with pytest.raises(errors.NotUnderstood, match="over 500000 bytes"):
        read(client(wire.url))


def test_a_small_body_that_unpacks_to_a_large_one_is_not_unpacked_to_its_end(wire, monkeypatch):
    monkeypatch.setattr(bodies, "LARGEST_ANSWER", 500_000)
    bomb = gzip.compress(b" " * 20_000_000)
    wire.script = reply(200, content=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(errors.NotUnderstood, match="over 500000 bytes"):
        read(client(wire.url))


def test_one_byte_more_than_the_limit_is_too_many_and_the_limit_is_not(wire, monkeypatch):
    content = json.dumps(COMPANY).encode()
    wire.script = reply(200, content=gzip.compress(content), headers={"Content-Encoding": "gzip"})
    monkeypatch.setattr(bodies, "LARGEST_ANSWER", len(content))
    assert read(client(wire.url)).value.id == "c1"
    monkeypatch.setattr(bodies, "LARGEST_ANSWER", len(content) - 1)
    with pytest.raises(errors.NotUnderstood, match="over"):
        read(client(wire.url))


def test_a_bomb_is_not_even_briefly_unpacked_beyond_the_limit(wire):
    wire.script = reply(
        200, content=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"}
    )
    tracemalloc.start()
    try:
        with pytest.raises(errors.NotUnderstood, match="over"):
            read(client(wire.url))
        assert tracemalloc.get_traced_memory()[1] < 3 * bodies.LARGEST_ANSWER
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codings", ["gzip, gzip", "identity, gzip, gzip", "br", "deflate"])
def test_only_one_layer_of_gzip_is_unpacked(wire, codings):
    packed = gzip.compress(gzip.compress(json.dumps(COMPANY).encode()))
    wire.script = reply(200, content=packed, headers={"Content-Encoding": codings})
    with pytest.raises(errors.NotUnderstood, match="DecodingError"):
        read(client(wire.url))
    assert wire.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("coding", ["GZIP", "x-gzip", "identity, gzip"])
def test_a_large_compressed_answer_is_read_whole(wire, coding):
    company = COMPANY | {"description": random.Random(1).randbytes(150_000).hex()}
    packed = gzip.compress(json.dumps(company).encode())
    wire.script = reply(200, content=packed, headers={"Content-Encoding": coding})
    assert read(client(wire.url)).value.description == company["description"]


def test_a_compressed_answer_is_read(wire):
    packed = gzip.compress(json.dumps(COMPANY).encode())
    wire.script = reply(200, content=packed, headers={"Content-Encoding": "gzip"})
    assert read(client(wire.url)).value.name == "Bakery"


@pytest.mark.parametrize("status", [200, 400])
def test_a_body_that_cannot_be_unpacked_is_not_understood(wire, status):
    wire.script = reply(status, content=b"not zipped", headers={"Content-Encoding": "gzip"})
    with pytest.raises(errors.NotUnderstood, match="DecodingError") as caught:
        refresh(client(wire.url))
    assert caught.value.status == status


def broken(status, how):
    def script(line):
        line.send(
            f"HTTP/1.1 {status} Said\r\nContent-Length: 1000\r\nRetry-After: 60\r\n"
            f"X-Rate-Limit-Remaining: 0\r\n{how}\r\n".encode()
        )
        line.send(b"{")
        line.reset()

    return script


@pytest.mark.parametrize("how", ["", "Content-Encoding: gzip\r\n"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, errors.Unauthorized), (429, errors.RateLimited), (503, errors.TryLater)],
)
def test_an_error_with_a_clear_status_counts_even_when_its_body_breaks(wire, status, kind, how):
    wire.script = broken(status, how)
    with pytest.raises(kind) as caught:
        refresh(client(wire.url))
    assert caught.value.retry_after.total_seconds() == 60
    assert caught.value.quota == Quota(remaining=0)


@pytest.mark.parametrize("status", [400, 409])
def test_an_error_that_its_body_explains_leaves_the_outcome_unknown_when_that_breaks(wire, status):
    wire.script = broken(status, "")
    with pytest.raises(errors.OutcomeUnknown, match="no whole answer"):
        read(client(wire.url))


def test_a_connection_is_reused_from_call_to_call_and_after_an_error(wire):
    codat = client(wire.url)
    codat.add_product("c1", "lending")
    wire.script = reply(404, error_body("gone"))
    with pytest.raises(errors.NotFound):
        codat.remove_product("c1", "lending")
    wire.script = reply(200, COMPANY)
    assert read(codat).value.id == "c1"

    assert (len(wire.requests), wire.connections) == (3, 1)


def test_an_idle_connection_is_closed_well_before_a_nat_gateway_drops_it(wire, monkeypatch):
    assert 5 <= transport.KEPT_ALIVE <= 120, "a NAT gateway's 350 s, with a wide margin"
    monkeypatch.setattr(transport, "KEPT_ALIVE", 0.0)
    codat = client(wire.url)
    codat.add_product("c1", "lending")
    codat.add_product("c1", "lending")
    assert wire.connections == 2


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_never_sees_a_call(wire, monkeypatch, name):
    with Wire() as proxy:
        monkeypatch.setenv(name, proxy.url)
        codat = client(wire.url)
        assert codat.add_product("c1", "lending").status == 204
    assert (len(wire.requests), proxy.connections) == (1, 0)


def test_after_a_broken_connection_the_next_call_has_a_new_one(wire):
    codat = client(wire.url)
    wire.script = resets_in_mid_body
    with pytest.raises(errors.OutcomeUnknown):
        read(codat)
    wire.script = reply(200, COMPANY)

    assert read(codat).value.id == "c1"
    assert wire.connections == 2
