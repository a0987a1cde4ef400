"""The signing secrets of all consumers, read from one Secrets Manager secret and cached.

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

MAX_AGE: Final = 300.0  # seconds for which a warm function may still accept a withdrawn secret
RETRY_AFTER_FAILURE: Final = 5.0  # seconds between reads until the first read succeeds


class SigningSecretCache:
    """Caches each consumer's verifiers. Not thread-safe: a Lambda serves one request at a time."""

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

        Raises Unavailable until the secrets have been read once.
        """
        due = RETRY_AFTER_FAILURE if self._verifiers is None else MAX_AGE
        if self._age() >= due:
            self._load()
        if self._verifiers is None:
            raise Unavailable("the signing secrets could not be read")
        return self._verifiers.get(consumer, ())

    def reload(self) -> bool:
        """Read the secret again, at most once per interval, and return whether that worked."""
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
            # The secrets in memory stay valid, so an outage of Secrets Manager refuses no delivery.
            # A parse error's text could quote the secret: only the text of an AWS error is logged.
            detail = str(error) if isinstance(error, ClientError | BotoCoreError) else "malformed"
            logger.error("signing secrets not loaded", cause=type(error).__name__, detail=detail)
            return False
        return True


class ConsumerNames:
    """Lists the consumers that have a usable signing secret, without their secrets."""

    def __init__(self, client: SecretsManagerClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def names(self) -> list[str]:
        """Return the names in order; none while the secret has no value. Raises Unavailable."""
        try:
            text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
            return sorted(name for name, usable in _parse(text).items() if usable)
        except (ClientError, BotoCoreError) as error:
            if _is_without_value(error):
                return []
            raise Unavailable(f"the signing secrets could not be read: {error}") from error
        except (KeyError, ValueError, RecursionError):
            # The error's text could quote the secret.
            raise Unavailable("the signing secrets are malformed") from None


def _is_without_value(error: Exception) -> bool:
    code = error.response["Error"].get("Code") if isinstance(error, ClientError) else None
    return code == "ResourceNotFoundException"


def _parse(text: str) -> dict[str, tuple[Webhook, ...]]:
    """Return each consumer's verifiers. A malformed entry is logged and affects no other consumer.

    Raises ValueError if the text is not a JSON object.
    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError
    verifiers = {}
    for position, (consumer, secrets) in enumerate(value.items()):
        if is_consumer(consumer) and isinstance(secrets, list):
            verifiers[consumer] = _verifiers(consumer, secrets)
        else:
            # The name is not logged: it may be a secret in the wrong place.
            logger.error("signing secrets entry unusable", position=position)
    return verifiers


def _verifiers(consumer: str, secrets: list[object]) -> tuple[Webhook, ...]:
    """Return a verifier for each usable secret; an unusable one is logged and skipped."""
    verifiers = []
    for position, secret in enumerate(secrets):
        try:
            verifiers.append(Webhook(signing_key(secret)))
        except ValueError as error:
            logger.error(
                "signing secret unusable", consumer=consumer, position=position, why=str(error)
            )
    return tuple(verifiers)
