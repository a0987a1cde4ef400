"""Every answer without success has its exception, and any bytes can be its body."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codat_hub.codat import errors
from codat_hub.codat.adapters.answers import Call, HttpAnswer
from codat_hub.codat.adapters.api_key import ApiKey
from codat_hub.codat.adapters.failures import failure, parse_error_body
from codat_hub.codat.domain.quota import Quota
from tests.support import codat_spec

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

GET = Call("GET", "/companies")
PUT = Call("PUT", "/companies/c1/products/lending")
DELETE = Call("DELETE", "/companies/c1/products/lending")
REFRESH = Call("POST", "/companies/c1/products/lending/refresh")
WITH_KEY = Call("POST", "/companies/c1/products/lending/refresh", idempotency_key="k")

IN_PROGRESS = (
    "Data cannot be refreshed while a read operation is in progress. "
    "Allow the read to complete before attempting to refresh."
)
QUEUED = "DatasetAlreadyInProgressException: dataset 943accd0 is already in progress"


def received(status, error=None, headers=None, body=None, **fields):
    content = json.dumps({"error": error, "correlationId": "abc123", **fields}).encode()
    return HttpAnswer(status, httpx.Headers(headers or {}), content if body is None else body, NOON)


@pytest.mark.parametrize(
    ("call", "status", "text", "kind"),
    [
        (REFRESH, 400, IN_PROGRESS, errors.Busy),
        (WITH_KEY, 400, IN_PROGRESS.upper(), errors.Busy),
        (REFRESH, 400, QUEUED, errors.Busy),
        (REFRESH, 409, QUEUED, errors.Busy),
        (WITH_KEY, 409, QUEUED, errors.Busy),
        (REFRESH, 400, "Bank Feeds doesn't support data refreshing.", errors.Permanent),
        (REFRESH, 400, "Valid data types are: invoices, bills", errors.Permanent),
        (GET, 400, "Error parsing query - Malformed query.", errors.Permanent),
        (REFRESH, 400, None, errors.Permanent),
        (GET, 401, "Unauthorized", errors.Unauthorized),
        (REFRESH, 402, "You have exceeded the 50-company limit", errors.Forbidden),
        (REFRESH, 403, "You are using an outdated API key", errors.Forbidden),
        (GET, 404, "No company was found", errors.NotFound),
        (REFRESH, 405, "Method not allowed", errors.Permanent),
        (GET, 408, None, errors.TryLater),
        (WITH_KEY, 409, "A request with this key is being processed", errors.OutcomeUnknown),
        (GET, 409, "Data set still syncing", errors.StillSyncing),
        (REFRESH, 409, "Limit of values exceeded", errors.Permanent),
        (PUT, 409, "Conflict", errors.TryLater),
        (DELETE, 409, "Conflict", errors.TryLater),
        (WITH_KEY, 422, "Key reused", errors.KeyReused),
        (REFRESH, 422, "Unprocessable", errors.Permanent),
        (REFRESH, 429, "Too many requests", errors.RateLimited),
        (GET, 451, "Not available for compliance purposes.", errors.Permanent),
        (GET, 500, IN_PROGRESS, errors.TryLater),
        (REFRESH, 502, None, errors.TryLater),
        (REFRESH, 503, "offline for maintenance", errors.TryLater),
        (GET, 599, None, errors.TryLater),
        (GET, 302, None, errors.NotUnderstood),
        (GET, 418, None, errors.Permanent),
    ],
)
def test_each_status_and_text_has_its_exception(call, status, text, kind):
    found = failure(call, received(status, text))

    assert type(found) is kind
    assert found.status == status
    assert found.correlation_id == "abc123"
    assert found.error == (text or "no error text")
    assert str(found).startswith(f"{call.method} {call.target} | HTTP {status}")
    assert "abc123" in str(found)


@pytest.mark.parametrize(("status", "in_body"), [(402, 429), (503, 400), (409, 400), (429, 401)])
def test_the_status_in_the_body_decides_nothing(status, in_body):
    kind = type(failure(GET, received(status, "text", statusCode=in_body)))
    assert kind is type(failure(GET, received(status, "text", statusCode=status)))


def test_another_phrase_for_busy_can_be_configured():
    answer = received(400, "Please hold the line")
    assert type(failure(REFRESH, answer)) is errors.Permanent
    assert type(failure(REFRESH, answer, ("HOLD THE LINE",))) is errors.Busy


@codat_spec.needs_spec
def test_the_examples_of_codats_specification_have_their_exceptions():
    responses = codat_spec.published()["components"]["responses"]
    refresh = "/companies/{companyId}/products/{productIdentifier}/refresh"
    bad = codat_spec.published()["paths"][refresh]["post"]["responses"]["400"]
    busy = _examples(bad)["Read in progress"]
    standard = _examples(bad)["Standard product not supported"]

    assert type(failure(WITH_KEY, received(400, body=busy))) is errors.Busy
    assert type(failure(WITH_KEY, received(400, body=standard))) is errors.Permanent
    for name, status in [("Unauthorized", 401), ("Payment-Required", 402), ("Not-Found", 404)]:
        for body in _examples(responses[name]).values():
            found = failure(GET, received(status, body=body))
            assert found.error == json.loads(body)["error"]
            assert found.correlation_id == json.loads(body)["correlationId"]


def _examples(response):
    examples = response["content"]["application/json"]["examples"]
    return {name: json.dumps(example["value"]).encode() for name, example in examples.items()}


def test_a_429_says_when_to_ask_again():
    found = failure(GET, received(429, "slow down", {"Retry-After": "90"}))
    assert (found.retry_after, found.retry_at) == (
        timedelta(seconds=90),
        NOON + timedelta(seconds=90),
    )


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "later"}])
def test_a_429_without_a_time_is_about_the_day_only_if_no_call_is_left(headers):
    assert failure(GET, received(429, "slow down", headers)).retry_at is None
    some = {**headers, "X-Rate-Limit-Remaining": "1"}
    assert failure(GET, received(429, "slow down", some)).retry_at is None
    spent = {**headers, "X-Rate-Limit-Remaining": "0"}
    found = failure(GET, received(429, "slow down", spent))
    assert found.retry_at == datetime(2026, 11, 23, tzinfo=UTC)
    assert found.retry_after == timedelta(hours=12)


@pytest.mark.parametrize(
    ("reset", "hour"), [("2026-11-22T20:00:00Z", 20), ("2026-11-22T08:00:00Z", 24), ("2099", 24)]
)
def test_a_reset_that_cannot_be_true_counts_as_the_next_midnight(reset, hour):
    spent = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": reset}
    found = failure(GET, received(429, "slow down", spent))
    assert found.retry_at == datetime(2026, 11, 22, tzinfo=UTC) + timedelta(hours=hour)


def test_without_a_time_only_a_429_has_to_wait():
    assert failure(GET, received(503)).retry_at is None
    later = failure(GET, received(503, headers={"Retry-After": "60"}))
    assert later.retry_at == NOON + timedelta(minutes=1)


def test_every_failure_has_the_quota():
    headers = {"X-Rate-Limit-Limit": "2000", "X-Rate-Limit-Remaining": "0"}
    assert failure(GET, received(404, "gone", headers)).quota == Quota(2000, 0)


def test_an_html_page_is_quoted_in_one_short_line():
    page = b"<html>\r\n<body>\x1b[31m" + b"<h1>502 Bad Gateway</h1>\n" * 1000 + b"</body>"
    found = failure(GET, received(502, body=page))

    assert type(found) is errors.TryLater
    assert found.correlation_id is None
    assert found.error.startswith("<html> <body> [31m<h1>502 Bad Gateway</h1>")
    assert len(found.error) == 200
    assert str(found).isprintable()


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b'{"error": null}', b'{"error": {}}'])
def test_a_body_without_the_optional_fields_is_enough(body):
    found = failure(WITH_KEY, received(409, body=body))
    assert type(found) is errors.OutcomeUnknown
    assert found.correlation_id is None


def test_long_texts_are_cut():
    found = failure(GET, received(400, "x" * 100_000, correlationId="y" * 100_000))
    assert len(found.error) == errors.LONGEST_TEXT
    assert len(found.correlation_id) == errors.LONGEST_ID
    assert len(str(found)) < 700
    assert len(repr(found)) < 700


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
BODY = st.fixed_dictionaries(
    {},
    optional={"error": JSON, "correlationId": JSON, "statusCode": JSON, "validation": JSON},
)


@given(
    st.one_of(
        st.binary(), JSON.map(json.dumps).map(str.encode), BODY.map(json.dumps).map(str.encode)
    )
)
@example(b"[" * 60_000)
@example(b'{"error": "\\ud800", "correlationId": "\\udfff"}')
@example(b'{"error": ' + b"9" * 10_000 + b"}")
@example(b'\xff\xfe{"error": "x"}')
@example(b'{"error": "a\\u0000\\u2028b"}')
def test_any_body_is_an_error_body_of_printable_text(body):
    said = parse_error_body(body)
    assert said.quoted(str).isprintable()
    assert (said.reference(str) or "").isprintable()


@given(st.sampled_from([IN_PROGRESS, QUEUED]), st.text(min_size=1))
def test_no_odd_api_key_hides_the_meaning_of_a_400(text, key):
    answer = replace(received(400, text), redact=ApiKey("x" + key).redact)
    assert type(failure(REFRESH, answer)) is errors.Busy


@pytest.mark.parametrize("padding", range(180, 203))
def test_the_api_key_is_removed_before_a_text_is_cut(padding):
    key = ApiKey("k3y" * 10)
    body = b"." * padding + b" k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y"
    found = failure(GET, replace(received(502, body=body), redact=key.redact))
    assert "k3y" not in str(found)


@given(st.integers(100, 999), st.binary(), st.sampled_from([GET, REFRESH, WITH_KEY]))
def test_any_answer_outside_2xx_is_one_of_the_exceptions(status, body, call):
    found = failure(call, received(status, body=body))
    assert isinstance(found, errors.CallFailed)
    assert type(found) is not errors.CallFailed
    assert len(str(found)) < 1200


def test_an_answer_that_quotes_a_new_companys_name_does_not_reach_the_logs():
    body = {"name": "Ann", "description": "Ann Lee, ann@x.example", "tags": {"owner": "Bo Lee"}}
    call = Call("POST", "/companies", body)
    quoted = "A company Ann (Ann Lee, ann@x.example) of Bo Lee exists"
    error = failure(call, received(400, quoted))
    assert error.error == "A company […] ([…]) of […] exists"
    assert not any(text in str(error) for text in ("Ann", "Bo Lee"))
