"""Consumers with a signing secret are listed by name, never with the secret."""

import json

import pytest

from codat_hub.errors import Unavailable
from codat_hub.webhooks.signing_secret_cache import ConsumerNames
from tests.support.builders import SECRET


def names(secretsmanager, text):
    arn = secretsmanager.create_secret(Name="signing")["ARN"]
    if text is not None:
        secretsmanager.put_secret_value(SecretId=arn, SecretString=text)
    return ConsumerNames(secretsmanager, arn).names()


def test_a_consumer_is_listed_if_it_has_a_usable_secret(secretsmanager):
    value = {"platform": [SECRET], "lending": [], "broken": ["nonsense"], "a": ["nonsense", SECRET]}
    assert names(secretsmanager, json.dumps(value)) == ["a", "platform"]


def test_before_the_first_secret_is_stored_there_are_none(secretsmanager):
    assert names(secretsmanager, None) == []


def test_a_malformed_value_is_not_quoted(secretsmanager):
    with pytest.raises(Unavailable) as raised:
        names(secretsmanager, f"{{{SECRET}")
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
