"""Signing secrets per webhook consumer, from one Secrets Manager secret, cached with a limit.

The secret's value is a JSON object: `{"<consumer>": ["whsec_<current>", "whsec_<previous>"]}`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from standardwebhooks import Webhook

from codat_hub.errors import Unavailable
from codat_hub.telemetry import logger
from codat_hub.webhooks.signing_secret import is_consumer, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE: Final = 300.0  # seconds a withdrawn secret may go on being accepted by a warm function
RETRY_AFTER_FAILURE: Final = 5.0  # seconds between tries while there is nothing to verify with


class SigningSecretCache:
    """The verifiers of each consumer. Not thread-safe: a Lambda serves one request at a time."""

    def __init__(
        self,
        client: SecretsManagerClient,
        arn: str,
        reload_interval: timedelta,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._arn = arn
        self._reload_interval = reload_interval.total_seconds()
        self._clock = clock
        self._verifiers: Mapping[str, tuple[Webhook, ...]] | None = None
        self._tried_at = float("-inf")

    def verifiers(self, consumer: str) -> tuple[Webhook, ...]:
        """Return the consumer's verifiers, newest first; none for an unknown consumer.

        Raises Unavailable when there is nothing to verify with yet.
        """
        due = RETRY_AFTER_FAILURE if self._verifiers is None else MAX_AGE
        if self._age() >= due:
            self._load()
        if self._verifiers is None:
            raise Unavailable("the signing secrets could not be read")
        return self._verifiers.get(consumer, ())

    def reload(self) -> bool:
        """Read the secret again, at most once per interval, whoever asks. Tells whether it did."""
        if self._age() < self._reload_interval:
            return False
        return self._load()

    def _age(self) -> float:
        return self._clock() - self._tried_at

    def _load(self) -> bool:
        self._tried_at = self._clock()
        try:
            text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            self._verifiers = _parse(text)
        except (ClientError, BotoCoreError, KeyError, ValueError, RecursionError) as error:
            # What was read before stays good: an outage of Secrets Manager refuses nobody.
            # A parse error's text could quote the secret, so only AWS's own words are logged.
            said = str(error) if isinstance(error, ClientError | BotoCoreError) else "malformed"
            logger.error("signing secrets not loaded", cause=type(error).__name__, said=said)
            return False
        return True


class ConsumerNames:
    """The names of the consumers that have a usable signing secret, and nothing of the secrets."""

    def __init__(self, client: SecretsManagerClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def names(self) -> list[str]:
        """Return them in order; none while the secret has no value yet. Raises Unavailable."""
        try:
            text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            return sorted(name for name, usable in _parse(text).items() if usable)
        except (ClientError, BotoCoreError) as error:
            if _is_without_value(error):
                return []
            raise Unavailable(f"the signing secrets could not be read: {error}") from error
        except (KeyError, ValueError, RecursionError):
            # whose text could quote the secret
            raise Unavailable("the signing secrets are malformed") from None


def _is_without_value(error: Exception) -> bool:
    code = error.response["Error"].get("Code") if isinstance(error, ClientError) else None
    return code == "ResourceNotFoundException"


def _parse(text: str) -> dict[str, tuple[Webhook, ...]]:
    """Read the secret's value; what is wrong with one consumer is no other's trouble.

    Raises ValueError if it is no object.
    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError
    verifiers = {}
    for position, (consumer, secrets) in enumerate(value.items()):
        if is_consumer(consumer) and isinstance(secrets, list):
            verifiers[consumer] = _consumer(consumer, secrets)
        else:
            # by position: what is no name may be a secret in the wrong place
            logger.error("signing secrets entry unusable", position=position)
    return verifiers


def _consumer(consumer: str, secrets: list[object]) -> tuple[Webhook, ...]:
    """Return a verifier for each usable secret; an unusable one is logged and passed over."""
    verifiers = []
    for position, secret in enumerate(secrets):
        try:
            verifiers.append(Webhook(signing_key(secret)))
        except ValueError as why:
            logger.error(
                "signing secret unusable", consumer=consumer, position=position, why=str(why)
            )
    return tuple(verifiers)
