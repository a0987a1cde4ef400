"""The API key from Secrets Manager, on moto and with its faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from codat_hub.codat import errors
from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Transport
from codat_hub.codat.domain.idempotency import Fate, fate

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST, SECOND = "Basic Zmlyc3Q=", "Basic c2Vjb25k"


class Clock:
    def __init__(self):
        self.time = NOON

    def __call__(self):
        return self.time


@pytest.fixture
def secrets(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-west-2")


@pytest.fixture
def arn(secrets):
    return secrets.create_secret(Name="codat-api-key", SecretString="first\n")["ARN"]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def key(secrets, arn, clock):
    return SecretKey(secrets, arn, max_age=timedelta(minutes=10), now=clock)


def test_the_key_is_read_once_and_kept_until_its_time_is_up(secrets, arn, clock, key):
    assert key.current().authorization() == FIRST
    secrets.put_secret_value(SecretId=arn, SecretString="second")

    clock.time += timedelta(minutes=9, seconds=59)
    assert key.current().authorization() == FIRST
    clock.time += timedelta(seconds=1)
    assert key.current().authorization() == SECOND


def test_a_forgotten_key_is_read_again_at_once(secrets, arn, key):
    assert key.current().authorization() == FIRST
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    key.forget()
    assert key.current().authorization() == SECOND


def test_a_rotated_key_has_another_version_and_the_version_is_not_the_key(secrets, arn, key):
    first = key.version()
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    assert key.version() == first, "still kept"
    key.forget()
    assert key.version() != first
    assert "second" not in key.version()


def test_after_a_401_the_key_is_dropped_and_the_rotated_one_is_used(secrets, arn, key):
    def answer(request):
        known = request.headers["authorization"] == SECOND
        return httpx.Response(204 if known else 401, json={"error": "Unauthorized"})

    codat = CodatClient(Transport(httpx.Client(transport=httpx.MockTransport(answer)), key))
    with pytest.raises(errors.Unauthorized):
        codat.add_product("c1", "lending")
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    assert codat.add_product("c1", "lending").status == 204


def test_a_missing_secret_means_the_same_as_a_wrong_key(secrets):
    with pytest.raises(errors.Unauthorized, match="ResourceNotFoundException") as caught:
        SecretKey(secrets, "codat-missing").current()
    assert caught.value.status is None
    assert fate(caught.value) is Fate.FREE, "nothing was sent"


@pytest.mark.parametrize("content", [{"SecretString": " \n"}, {"SecretBinary": b"first"}])
def test_a_secret_without_a_text_means_the_same_as_a_wrong_key(secrets, content):
    arn = secrets.create_secret(Name="odd", **content)["ARN"]
    with pytest.raises(errors.Unauthorized):
        SecretKey(secrets, arn).current()


class Failing:
    def __init__(self, *faults):
        self.faults = list(faults)

    def get_secret_value(self, SecretId):  # noqa: N803 (boto3's name)
        if self.faults:
            raise self.faults.pop(0)
        return {"SecretString": "first", "VersionId": "1"}


def client_error(code):
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (client_error("ThrottlingException"), errors.TryLater),
        (client_error("InternalServiceError"), errors.TryLater),
        (client_error("SomethingNew"), errors.TryLater),
        (EndpointConnectionError(endpoint_url="https://x"), errors.TryLater),
        (client_error("AccessDeniedException"), errors.Unauthorized),
        (client_error("DecryptionFailure"), errors.Unauthorized),
    ],
)
def test_a_fault_of_secrets_manager_means_that_nothing_was_sent(fault, kind):
    key = SecretKey(Failing(fault), "arn")
    with pytest.raises(kind) as caught:
        key.current()
    assert caught.value.__cause__ is fault
    assert fate(caught.value) is Fate.FREE
    assert key.current().authorization() == FIRST


def test_an_expired_key_is_not_used_when_it_cannot_be_read_again(clock):
    key = SecretKey(Failing(), "arn", now=clock)
    key.current()
    key._secrets.faults.append(client_error("ThrottlingException"))
    clock.time += timedelta(minutes=11)
    with pytest.raises(errors.TryLater):
        key.current()


def test_no_repr_shows_the_key(key):
    key.current()
    shown = "".join(map(repr, [key, *vars(key).values()]))
    assert "first" not in shown
    assert "Zmlyc3Q" not in shown
