"""A request's progress comes back from DynamoDB on moto as it was written."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.companies.adapters.creation_store import CreationStore
from codat_hub.companies.domain.creation import Creation
from codat_hub.companies.domain.new_company import CodatCompany, CreatedCompany, ProductOutcome
from codat_hub.storage.state_table import StateTable
from tests.support.fakes import FakeCreations
from tools.simulation.tables import create_table

AT = datetime(2026, 7, 1, 9, tzinfo=UTC)
COMPANY = CodatCompany("company-1", "Bakery", ("a",), "https://link")
OUTCOME = CreatedCompany(COMPANY, (ProductOutcome("a", "assigned"),))
STAGES = {
    "begun": Creation("f", "arn:ann", AT),
    "called": Creation("f", "arn:ann", AT, HeldKey("key", AT, None)),
    "unresolved": Creation("f", "arn:ann", AT, HeldKey(None, None, AT)),
    "created": Creation("f", "arn:ann", AT, None, CodatCompany("company-1")),
    "done": Creation("f", "arn:ann", AT, None, COMPANY, OUTCOME),
    "done without products": Creation("f", "arn:ann", AT, None, COMPANY, CreatedCompany(COMPANY)),
}


@pytest.fixture(params=["real", "fake"])
def creations(request, dynamodb):
    if request.param == "fake":
        return FakeCreations()
    return CreationStore(StateTable(dynamodb, create_table(dynamodb, "StateTable")))


@pytest.mark.parametrize("creation", STAGES.values(), ids=STAGES)
def test_every_stage_comes_back_as_it_was_written(creations, creation):
    assert creations.get("key/1 #?") == (None, 0)
    assert creations.put("key/1 #?", creation, 0)
    assert creations.get("key/1 #?") == (creation, 1)
    assert not creations.put("key/1 #?", creation, 0)


def test_it_is_forgotten_after_a_month(dynamodb):
    name = create_table(dynamodb, "StateTable")
    CreationStore(StateTable(dynamodb, name)).put("key", STAGES["done"], 0)
    (item,) = dynamodb.scan(TableName=name)["Items"]
    assert int(item["expires_at"]["N"]) == int((AT + timedelta(days=30)).timestamp())
