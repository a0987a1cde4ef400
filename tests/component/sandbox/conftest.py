"""A sandbox in this process, whose every API answer is checked against Codat's specification."""

import base64
import warnings

import pytest

from tests.component.sandbox import codat_spec
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox

with warnings.catch_warnings():
    # It asks for a successor of httpx that this project does not use.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY = {"Authorization": "Basic " + base64.b64encode(b"sandbox-api-key").decode()}


class CheckedClient(TestClient):
    """Asks as a client with the right key, from this machine."""

    is_checked = True

    def __init__(self, app):
        here = ("127.0.0.1", 50_000)
        super().__init__(app, base_url="http://127.0.0.1", headers=KEY, client=here)

    def request(self, method, url, **options):
        answer = super().request(method, url, **options)
        path = answer.request.url.path
        if (
            self.is_checked
            and codat_spec.AT_HAND
            and not path.startswith("/_sandbox")
            and path != "/"
        ):
            body = answer.json() if answer.content else None
            assert not codat_spec.problems(method, path, answer.status_code, body)
        return answer


@pytest.fixture
def options():
    return Options(companies=20, failing_share=0, minute_limit=0)


@pytest.fixture
def sandbox(options):
    return Sandbox(options)


@pytest.fixture
def client(sandbox):
    return CheckedClient(create_app(sandbox))


@pytest.fixture
def advance(client):
    """Let sandbox time pass, in seconds."""
    return lambda seconds: client.post("/_sandbox/clock", json={"advanceSeconds": seconds})


@pytest.fixture
def company(client):
    """A seeded company with a linked ledger, a linked bank and both custom products."""
    return client.get("/companies").json()["results"][0]


@pytest.fixture
def events(client):
    """The types of the events that went out so far, oldest first."""

    def sent(company_id=None):
        deliveries = client.get("/_sandbox/deliveries").json()
        return [one["eventType"] for one in deliveries if company_id in {None, one["companyId"]}]

    return sent
