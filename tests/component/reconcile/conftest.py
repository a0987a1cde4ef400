"""Hubs that reconcile with the sandbox: an empty hub, a hub on DynamoDB, a hub in step."""

from datetime import timedelta

import pytest

from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from tools.simulation.reconciling import Codats, Hub, OnDynamoDB
from tools.simulation.tables import create_table


@pytest.fixture
def codat():
    return Codats(companies=20)


@pytest.fixture
def hub(codat):
    made = Hub(codat)
    made.register()
    return made


@pytest.fixture
def on_dynamodb(dynamodb, codat):
    table = OnDynamoDB(dynamodb, create_table(dynamodb, "StateTable"))
    made = Hub(codat, table, ConsentLedger(dynamodb, create_table(dynamodb, "ConsentsTable")))
    made.register()
    return made


@pytest.fixture
def in_step(hub):
    """A hub that agrees with Codat about every company."""
    hub.assign_everything()
    assert hub.run().status is ReconcileStatus.COMPLETE
    hub.clock.ahead += timedelta(minutes=2)
    hub.table.puts.clear()
    hub.codat.forget_requests()
    return hub
