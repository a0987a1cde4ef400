"""The binding with a rotated secret, the State table, and Codat's HTTP answer."""

import base64

import httpx
import pytest

from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Transport
from codat_hub.codat.errors import WrongClient
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.storage.state_table import StateTable
from tools.simulation.tables import create_table

OURS, THEIRS = "f4a5b6c7-0000-4000-8000-00000000000a", "f4a5b6c7-0000-4000-8000-00000000000b"


@pytest.fixture
def arn(secretsmanager):
    return secretsmanager.create_secret(Name="codat-api-key", SecretString="ours")["ARN"]


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture
def bind(secretsmanager, arn, table):
    def answer(request):
        sent = base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
        client_id = OURS.upper() if sent == b"ours" else THEIRS
        content = {"clientId": client_id, "settings": [], "overridesDefaults": True}
        return httpx.Response(200, json=content)

    def bound():
        http = httpx.Client(transport=httpx.MockTransport(answer))
        codat = CodatClient(Transport(http, SecretKey(secretsmanager, arn)))
        return ClientBinding(codat, ClientCheckStore(table), OURS)

    return bound


def test_the_answer_is_stored_for_every_process(bind):
    bind()()
    check = bind().last()
    assert check is not None
    assert (check.right, check.bound_to, check.reported) == (True, OURS, OURS.upper())


def test_a_rotation_to_another_clients_key_and_back_counts_at_once(bind, secretsmanager, arn):
    warm = bind()
    warm()
    secretsmanager.put_secret_value(SecretId=arn, SecretString="theirs")
    assert not bind().confirm().right
    with pytest.raises(WrongClient, match=THEIRS):
        warm()
    secretsmanager.put_secret_value(SecretId=arn, SecretString="ours")
    warm()
    assert bind().last().right
