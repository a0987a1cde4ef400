"""When the signing secrets are read, and what a failure to read them means."""

import json
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from codat_hub.errors import Unavailable
from codat_hub.webhooks.signing_secret_cache import MAX_AGE, RETRY_AFTER_FAILURE, SigningSecretCache
from tests.support.builders import OTHER_SECRET, SECRET
from tests.support.fakes import FakeSecretsManager

RELOAD = 60
FAULT = EndpointConnectionError(endpoint_url="secretsmanager")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def manager():
    return FakeSecretsManager(json.dumps({"lending": [SECRET, OTHER_SECRET]}))


@pytest.fixture
def secrets(manager, clock):
    return SigningSecretCache(manager, "arn:secret", timedelta(seconds=RELOAD), clock)


def test_nothing_is_read_before_it_is_needed(secrets, manager):
    assert manager.calls == 0


def test_one_read_serves_every_delivery(secrets, manager, clock):
    for _ in range(100):
        assert len(secrets.verifiers("lending")) == 2
        clock.now += 1
    assert manager.calls == 1


def test_an_unknown_consumer_has_no_verifier(secrets):
    assert secrets.verifiers("expenses") == ()


def test_refusals_reload_at_most_once_per_interval(secrets, manager, clock):
    secrets.verifiers("lending")
    reloads = 0
    for _ in range(600):
        clock.now += 1
        reloads += secrets.reload()
    assert reloads == 600 / RELOAD
    assert manager.calls == 1 + reloads


def test_a_withdrawn_secret_is_forgotten_after_the_longest_age(secrets, manager, clock):
    secrets.verifiers("lending")
    manager.value = json.dumps({"lending": [SECRET]})
    clock.now += MAX_AGE
    assert len(secrets.verifiers("lending")) == 1


@pytest.mark.parametrize("fault", [FAULT, DENIED, None, "", "not json", "[]", "[" * 60_000])
def test_without_any_secrets_the_delivery_is_to_come_again(secrets, manager, fault):
    manager.value = fault
    with pytest.raises(Unavailable):
        secrets.verifiers("lending")


def test_without_any_secrets_reads_are_spaced(secrets, manager, clock):
    manager.value = FAULT
    for _ in range(20):
        with pytest.raises(Unavailable):
            secrets.verifiers("lending")
        clock.now += RETRY_AFTER_FAILURE / 10
    assert manager.calls == 2


@pytest.mark.parametrize("fault", [FAULT, DENIED, "not json"])
def test_a_later_outage_refuses_no_delivery(secrets, manager, clock, fault):
    secrets.verifiers("lending")
    manager.value = fault
    clock.now += MAX_AGE
    assert len(secrets.verifiers("lending")) == 2
    assert secrets.reload() is False


@pytest.mark.parametrize("odd", ["Lending", "lending_eu", SECRET, ""])
def test_an_entry_that_is_no_consumer_affects_no_other(secrets, manager, odd):
    manager.value = json.dumps({odd: [SECRET], "expenses": "not a list", "lending": [SECRET]})
    assert len(secrets.verifiers("lending")) == 1
    assert secrets.verifiers("expenses") == ()


def test_a_withdrawn_secret_is_forgotten_within_the_documented_five_minutes():
    assert MAX_AGE <= 300


def test_an_unusable_secret_affects_no_other(secrets, manager):
    manager.value = json.dumps({"lending": ["", 7, None, "whsec_%%%", SECRET], "expenses": ["x"]})
    assert len(secrets.verifiers("lending")) == 1
    assert secrets.verifiers("expenses") == ()


@pytest.mark.parametrize("broken", [f'{{"lending": ["{SECRET}"', f'["{SECRET}"]'])
def test_no_secret_is_ever_logged(secrets, manager, broken, caplog):
    manager.value = broken
    with pytest.raises(Unavailable):
        secrets.verifiers("lending")
    (record,) = caplog.records
    assert record.getMessage() == "signing secrets not loaded"
    assert SECRET.removeprefix("whsec_") not in str(vars(record))


def test_no_unusable_entry_is_ever_logged(secrets, manager, caplog):
    almost = SECRET[:-1] + "%"
    manager.value = json.dumps({SECRET: ["x"], "lending": [almost, SECRET[6:]], "b": SECRET})
    assert secrets.verifiers("lending") == ()
    assert len(caplog.records) == 4
    logged = str([vars(record) for record in caplog.records])
    assert SECRET[6:-1] not in logged
