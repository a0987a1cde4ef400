"""Key, limits and log apply to requests that no route matches too."""

import pytest

from tests.support.sandbox.checked_client import CheckedClient
from tools.sandbox.http.app import create_app

CASES = [("GET", "/nowhere", 404), ("GET", "/companies/", 404), ("PUT", "/companies", 405)]


@pytest.mark.parametrize(("method", "path", "status"), CASES)
def test_a_request_that_no_route_matches_counts_and_is_listed(client, method, path, status):
    before = int(client.get("/companies").headers["X-Rate-Limit-Remaining"])
    answer = client.request(method, path, follow_redirects=False)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
    assert int(answer.headers["X-Rate-Limit-Remaining"]) == before - 1
    listed = client.get("/_sandbox/requests").json()[-1]
    assert (listed["method"], listed["path"], listed["status"]) == (method, path, status)


@pytest.mark.parametrize(("method", "path", "status"), CASES)
def test_a_request_that_no_route_matches_needs_the_key(client, method, path, status):
    del client.headers["Authorization"]
    assert client.request(method, path).status_code == 401


def test_a_405_names_every_method_of_the_path(client, company):
    assert client.put("/companies").headers["allow"] == "GET, POST"
    path = f"/companies/{company['id']}"
    assert client.post(path).headers["allow"] == "DELETE, GET, PATCH, PUT"


def test_the_portal_names_an_unknown_path(client):
    missing = client.get("/_sandbox/helth")
    assert (missing.status_code, missing.json()["problems"][0]["field"]) == (404, "path")
    wrong = client.post("/_sandbox/quota/")
    assert wrong.status_code == 404
    wrong = client.put("/_sandbox/quota")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
    assert client.get("/_sandbox/requests").json() == []


def test_a_browsers_request_for_an_icon_is_not_in_the_log(client):
    assert client.get("/favicon.ico").status_code == 204
    assert client.get("/_sandbox/requests").json() == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("0.0.0.0", 200),  # noqa: S104 (a name, not a binding)
        ("evil.example", 403),
    ],
)
def test_the_portal_answers_only_by_names_of_this_machine(sandbox, name, status):
    client = CheckedClient(create_app(sandbox))
    for path in ("/_sandbox/health", "/_sandbox/nonsense", "/"):
        expected = 404 if (status, path) == (200, "/_sandbox/nonsense") else status
        assert client.get(f"http://{name}{path}").status_code == expected
    assert client.get(f"http://{name}/companies").status_code == 200
