"""A sandbox in this process, with every API answer checked by Codat's specification."""

import pytest

from tests.support.sandbox.checked_client import CheckedClient
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox


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
    """Return a function that lets seconds of sandbox time pass."""
    return lambda seconds: client.post("/_sandbox/clock", json={"advanceSeconds": seconds})


@pytest.fixture
def company(client):
    """Return a seeded company with a linked ledger, a linked bank and both custom products."""
    return client.get("/companies").json()["results"][0]


@pytest.fixture
def events(client):
    """Return a function that lists the types of the events so far, the oldest first."""

    def sent(company_id=None):
        deliveries = client.get("/_sandbox/deliveries").json()
        return [
            delivery["eventType"]
            for delivery in deliveries
            if company_id in {None, delivery["companyId"]}
        ]

    return sent
