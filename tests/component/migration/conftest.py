"""Worlds to migrate, and the environment that the handler's module needs at import."""

import pytest

from tests.support.migration.left_over import PRODUCT, refuse, roll_back
from tests.support.migration.world import World

ENVIRONMENT = {
    "STATE_TABLE": "state",
    "CONSENTS_TABLE": "consents",
    "MANIFEST_BUCKET": "manifests",
    "CODAT_API_KEY_ARN": "arn:key",
    "SIGNING_SECRETS_ARN": "arn:signing",
    "CODAT_BASE_URL": "https://codat.example",
    "CODAT_CLIENT_ID": "",
    "CODAT_CALLS_A_SECOND": "5",
    "WAIT_SCALE": "1",
    "WEBHOOKS_URL": "https://hub.example/webhooks/codat",
    "WEBHOOKS_API_ID": "api",
    "AWS_DEFAULT_REGION": "eu-west-2",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def worlds():
    """Make worlds, which are closed at the end."""
    made = []

    def make(**options):
        made.append(World(**options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds):
    return worlds()


@pytest.fixture
def company(world):
    return next(
        company.id for company in world.state.companies.values() if PRODUCT not in company.products
    )


@pytest.fixture
def keeps(world, company):
    """A rollback after which one company keeps a product, because Codat refuses the removal."""
    world.before = world.codat_now()
    world.migrate()
    refuse(world, company, f"/products/{PRODUCT}", "DELETE")
    assert roll_back(world).status == "rollback_incomplete"
    return company
