"""Tests can ask for faults with bodies and headers; faults without sense are refused."""

import pytest


@pytest.fixture(autouse=True)
def unchecked(client):
    """Switch off the check, because a fault may answer anything."""
    client.is_checked = False


def fault(client, **wanted):
    return client.post("/_sandbox/faults", json={"path": "/companies", **wanted})


def test_a_text_is_sent_as_it_is_with_its_content_type(client):
    page = "<html>Bad gateway</html>"
    fault(client, status=502, body=page, headers={"Content-Type": "text/html"})
    answer = client.get("/companies")
    assert (answer.text, answer.headers["content-type"]) == (page, "text/html")


def test_an_empty_text_is_an_empty_body(client):
    fault(client, status=503, body="")
    answer = client.get("/companies")
    assert (answer.status_code, answer.content) == (503, b"")


def test_a_text_is_replayed_like_any_other_answer(client):
    fault(client, status=502, body="<html>", headers={"Content-Type": "text/html"})
    first, again = (
        client.post("/companies", json={"name": "A"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )
    assert again.text == first.text == "<html>"
    assert again.headers["content-type"] == first.headers["content-type"] == "text/html"


def test_headers_without_a_status_come_with_the_real_answer(client):
    assert fault(client, headers={"Deprecation": "true"}).status_code == 200
    answer = client.get("/companies")
    assert (answer.status_code, answer.headers["deprecation"]) == (200, "true")
    assert answer.json()["totalResults"] == 20


@pytest.mark.parametrize(("headers", "wait"), [({}, "1"), ({"retry-After": "7"}, "7")])
def test_a_429_says_when_to_try_again(client, headers, wait):
    fault(client, status=429, headers=headers)
    assert client.get("/companies").headers.get_list("retry-after") == [wait]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(client, status):
    fault(client, status=status)
    answer = client.get("/companies")
    assert (answer.status_code, answer.content) == (status, b"")
    assert "content-length" not in answer.headers or answer.headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"status": 500, "headers": {"Bad Name": "x"}}, "headers.Bad Name.[key]"),
        ({"status": 500, "headers": {"X": "a\r\nb"}}, "headers.X"),
        ({"status": 500, "headers": {"X": "\u20ac"}}, "headers.X"),
        ({"status": 500, "headers": {"Content-Length": "3"}}, "headers.Content-Length.[key]"),
        ({"latencySeconds": 1, "body": "lost"}, "body"),
        ({"status": 204, "body": "x"}, "body"),
        ({"status": 500, "path": "a{99999999999}"}, "path"),
    ],
)
def test_a_fault_that_cannot_be_carried_out_is_refused(client, wanted, field):
    answer = fault(client, **wanted)
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, field)
