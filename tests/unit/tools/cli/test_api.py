"""The client of the control API signs, pages, repeats only safe requests, and explains errors."""

import json
from contextlib import ExitStack

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tools.cli import api as client
from tools.cli.api import connected
from tools.cli.failures import Refused, Unanswered

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "a-session-token")
URL = "https://abc.execute-api.eu-west-2.amazonaws.com/dev"


class Server:
    """Returns the given answers in turn, and then the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def calling(monkeypatch):
    """Open the client against a server with these answers; return client, server and pauses."""
    with ExitStack() as opened:

        def call(*answers):
            server, pauses = Server(*answers), []
            transport = httpx.MockTransport(server)
            api = opened.enter_context(
                connected(URL, CREDENTIALS, "eu-west-2", "profile me", transport)
            )
            monkeypatch.setattr(client, "pause", pauses.append)
            return api, server, pauses

        yield call


def problem(status, **members):
    headers = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, headers=headers, content=json.dumps(members))


def test_a_request_is_signed_over_path_query_body_and_host(calling):
    api, server, _ = calling(httpx.Response(200, json={}))
    api._call("PUT", "products/a.b-c", body={"name": "Ä"}, params={"x": "1 2"})
    (sent,) = server.requests
    assert str(sent.url) == f"{URL}/products/a.b-c?x=1%202"
    again = AWSRequest("PUT", str(sent.url), data=sent.content, headers={"Host": sent.url.host})
    again.context["timestamp"] = sent.headers["X-Amz-Date"]
    signer = SigV4Auth(CREDENTIALS, "execute-api", "eu-west-2")
    again.headers["X-Amz-Date"] = sent.headers["X-Amz-Date"]
    again.headers["X-Amz-Security-Token"] = CREDENTIALS.token
    text = signer.string_to_sign(again, signer.canonical_request(again))
    assert sent.headers["Authorization"].endswith(f"Signature={signer.signature(text, again)}")
    assert sent.headers["X-Amz-Security-Token"] == CREDENTIALS.token


def test_a_get_is_tried_again_after_a_fault_that_passes(calling):
    busy = httpx.Response(429, headers={"Retry-After": "7"}, json={"message": "Too Many Requests"})
    api, server, pauses = calling(
        httpx.ReadTimeout("slow"), busy, httpx.Response(503), httpx.Response(200, json={"a": 1})
    )
    assert api.get("status") == {"a": 1}
    assert len(server.requests) == 4
    assert pauses[1] == 7
    assert 0 < pauses[0] < pauses[2] * 4


def test_a_get_gives_up_after_four_tries(calling):
    api, server, pauses = calling(httpx.Response(503, json={"message": "Unavailable"}))
    with pytest.raises(Refused, match="503: Unavailable") as raised:
        api.get("status")
    assert (len(server.requests), len(pauses)) == (4, 3)
    assert "same command again" in raised.value.hint


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("slow"), httpx.Response(503)])
def test_a_post_is_repeated_under_one_idempotency_key(calling, answer):
    api, server, _ = calling(answer, httpx.Response(202, json={"replay_id": "r"}))
    assert api.post("replays", {"parked": True}) == {"replay_id": "r"}
    first, second = server.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.headers["Authorization"]


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("answer", [httpx.ReadTimeout("slow"), httpx.Response(503)])
def test_a_put_or_delete_that_may_have_arrived_is_not_repeated(calling, method, answer):
    api, server, _ = calling(answer, httpx.Response(200, json={}))
    with pytest.raises((Unanswered, Refused)) as raised:
        getattr(api, method)("products/a")
    assert len(server.requests) == 1
    assert "same command again" in raised.value.hint


@pytest.mark.parametrize("method", ["get", "put", "delete", "post"])
def test_a_request_that_never_reached_the_api_is_tried_again_and_then_reported(calling, method):
    api, server, _ = calling(httpx.ConnectError("refused"))
    with pytest.raises(Unanswered, match="cannot be reached: refused") as raised:
        getattr(api, method)("products/a")
    assert len(server.requests) == 4
    assert "Nothing was changed" in raised.value.hint


def test_a_problem_names_each_field(calling):
    errors = [
        {"field": "schedule.timezone", "value": "Mars", "message": "no IANA zone"},
        {"field": "kind", "value": 7, "allowed": ["custom", "standard"]},
    ]
    api, _, _ = calling(problem(422, title="Unprocessable", detail="Not so", errors=errors))
    with pytest.raises(Refused, match="Not so") as raised:
        api.put("products/a", {})
    first, second = raised.value.errors
    assert (first.field, first.value, first.message) == (
        "schedule.timezone",
        "Mars",
        "no IANA zone",
    )
    assert second.allowed == ["custom", "standard"]


def test_the_gateways_403_names_the_identity_and_the_policy_to_ask_for(calling):
    api, _, _ = calling(httpx.Response(403, json={"Message": "User is not authorized"}))
    with pytest.raises(
        Refused, match="profile me may not do this: User is not authorized"
    ) as raised:
        api.put("products/a", {})
    assert "ControlApiOperator" in raised.value.hint


@pytest.mark.parametrize(
    "message",
    [
        "The security token included in the request is expired",
        "The security token included in the request is invalid.",
        "Signature expired: 20261122T120000Z is now earlier than 20261122T121000Z",
    ],
)
def test_an_expired_token_asks_to_sign_in_and_not_for_a_policy(calling, message):
    api, _, _ = calling(httpx.Response(403, json={"message": message}))
    with pytest.raises(Refused) as raised:
        api.get("status")
    assert "aws sso login" in raised.value.hint


@pytest.mark.parametrize("listed", [None, "a", {"a": 1}, [1], [None]])
def test_a_list_of_another_shape_is_a_message_with_the_next_step(calling, listed):
    api, _, _ = calling(httpx.Response(200, json={"companies": listed, "next_cursor": None}))
    with pytest.raises(Unanswered, match="companies") as raised:
        list(api.pages("companies", "companies"))
    assert "version" in raised.value.hint


@pytest.mark.parametrize("content", ["[]", "null", '"text"', "7"])
def test_an_answer_that_is_no_object_is_a_message(calling, content):
    api, _, _ = calling(httpx.Response(200, text=content))
    with pytest.raises(Unanswered, match="no JSON object"):
        api.get("status")


def test_a_field_that_an_older_stack_does_not_answer_is_named_at_any_depth(calling):
    api, _, _ = calling(httpx.Response(200, json={"reconcile": {"status": "complete"}}))
    answer = api.get("status")
    assert answer == {"reconcile": {"status": "complete"}}
    with pytest.raises(Unanswered, match="'unsafe'") as raised:
        answer["reconcile"]["unsafe"]
    assert "version" in raised.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(404, text="<html>"),
        httpx.Response(500, json=[1]),
        problem(500, title=None),
    ],
)
def test_an_answer_of_an_unknown_form_is_a_message_not_a_crash(calling, answer):
    api, _, _ = calling(answer)
    with pytest.raises((Unanswered, Refused)) as raised:
        api.get("status")
    assert str(raised.value)


def test_a_list_is_walked_page_by_page_lazily(calling):
    api, server, _ = calling(
        httpx.Response(200, json={"companies": [{"n": 1}, {"n": 2}], "next_cursor": "c2"}),
        httpx.Response(200, json={"companies": [], "next_cursor": "c3"}),
        httpx.Response(200, json={"companies": [{"n": 3}], "next_cursor": None}),
    )
    pages = api.pages("companies", "companies", product="a", linked=True, name=None)
    assert next(pages) == [{"n": 1}, {"n": 2}]
    assert len(server.requests) == 1
    assert list(pages) == [[], [{"n": 3}]]
    queries = [dict(request.url.params) for request in server.requests]
    filters = {"product": "a", "linked": "true"}
    assert queries == [filters, filters | {"cursor": "c2"}, filters | {"cursor": "c3"}]


def test_a_cursor_that_repeats_ends_the_walk(calling):
    api, server, _ = calling(httpx.Response(200, json={"companies": [], "next_cursor": "again"}))
    with pytest.raises(Unanswered, match="same page"):
        list(api.pages("companies", "companies"))
    assert len(server.requests) == 2
