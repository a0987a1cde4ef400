"""Every exception becomes a problem document that says what to do and quotes no secret."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub import errors
from codat_hub.api.problems import MEDIA_TYPE, handle_problems, unexpected
from codat_hub.codat import errors as codat_errors
from codat_hub.errors import Problem

TYPE = "urn:codat-hub:problem:"


def handlers():
    """Return the handler that `handle_problems` registers for each kind of exception."""
    found = {}

    class App:
        @staticmethod
        def exception_handler(kind):
            return lambda handler: found.update({kind: handler})

    handle_problems(App)
    return found


HANDLERS = handlers()


def answered(error):
    """Answer as the API does, and return status, document and headers."""
    kind = next(kind for kind in type(error).__mro__ if kind in HANDLERS)
    response = HANDLERS[kind](error)
    document = json.loads(response.body)
    assert response.headers["Content-Type"] == MEDIA_TYPE
    assert document["status"] == response.status_code
    return response.status_code, document, response.headers


def subclasses(kind):
    return {kind}.union(*(subclasses(sub) for sub in kind.__subclasses__()))


CALL_FAILURES = sorted(subclasses(codat_errors.CallFailed), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", CALL_FAILURES, ids=lambda kind: kind.__name__)
def test_every_failure_at_codat_has_its_answer(kind):
    expected = {
        "Busy": (503, "codat-unavailable"),
        "CallFailed": (502, "codat-not-understood"),
        "Forbidden": (502, "codat-forbids"),
        "KeyReused": (400, "codat-refused"),
        "NotFound": (404, "not-at-codat"),
        "NotUnderstood": (502, "codat-not-understood"),
        "OutcomeUnknown": (503, "codat-unavailable"),
        "Permanent": (400, "codat-refused"),
        "RateLimited": (429, "codat-rate-limited"),
        "StillSyncing": (503, "codat-unavailable"),
        "TryLater": (503, "codat-unavailable"),
        "Unauthorized": (502, "codat-key-refused"),
    }
    error = kind("because", status=400, correlation_id="c-1")
    error.add_note("The revocation is recorded.")
    status, document, headers = answered(error)
    assert (status, document["type"].removeprefix(TYPE)) == expected[kind.__name__]
    assert document["correlation_id"] == "c-1"
    assert document["detail"].endswith(" The revocation is recorded. Codat said: because")
    assert ("Retry-After" in headers) == (status in {429, 503})


def test_a_text_that_is_not_codats_is_not_quoted_as_codats():
    _, document, _ = answered(codat_errors.TryLater("connection refused"))
    assert "connection refused" not in document["detail"]


def test_a_call_that_the_hub_itself_held_back_is_not_blamed_on_the_quota():
    status, document, headers = answered(codat_errors.RateLimited("no room for this call"))
    assert (status, document["type"].removeprefix(TYPE)) == (429, "codat-rate-limited")
    assert "quota" not in document["detail"]
    assert "Retry-After" in headers


@pytest.mark.parametrize(("wait", "seconds"), [(30, {30, 31}), (-30, {1})])
def test_retry_after_is_the_time_that_codat_asks_for_and_at_least_a_second(wait, seconds):
    at = datetime.now(UTC) + timedelta(seconds=wait)
    _, _, headers = answered(codat_errors.RateLimited("quota", retry_at=at))
    assert int(headers["Retry-After"]) in seconds


@pytest.mark.parametrize("kind", HANDLERS, ids=lambda kind: kind.__name__)
def test_the_texts_of_the_api_itself_name_no_route(kind):
    _, document, _ = answered(kind("a text") if kind is errors.Conflict else kind())
    assert not re.search(r"\b(GET|PUT|POST|DELETE) /", document["detail"])


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("name", "Bakery", "Bakery"),
        ("name", None, None),
        ("secret", "anything", None),
        ("consumer_id", "whsec_AAAA", None),
    ],
)
def test_a_value_is_quoted_unless_it_is_or_may_be_a_secret(field, value, shown):
    _, document, _ = answered(errors.Invalid(Problem(field, "wrong", value)))
    (problem,) = document["errors"]
    assert problem.get("value") == shown


def test_a_fault_of_the_hub_tells_the_caller_nothing_of_its_cause():
    response = unexpected(RuntimeError("a secret detail"))
    assert response.status_code == 500
    assert "detail" not in json.loads(response.body)["detail"]
