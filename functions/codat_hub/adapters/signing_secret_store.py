"""Adds signing secrets to those that the webhooks function accepts (see signing_secrets.py)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_KEPT: Final = 3  # of one consumer: the new one, and those that sign what is still on its way


class SigningSecretStore:
    """Secrets Manager has no compare-and-set: one writer at a time."""

    def __init__(self, client: SecretsManagerClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def accept(self, consumer: str, secret: str) -> None:
        """Accept a secret of a consumer from now on, as its newest. Never quotes one."""
        accepted = self._read()
        known = accepted.get(consumer, [])
        if secret in known:
            return
        accepted[consumer] = [secret, *known][:_KEPT]
        try:
            self._client.put_secret_value(SecretId=self._arn, SecretString=json.dumps(accepted))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(
                f"the signing secret was not stored: {type(error).__name__}"
            ) from None

    def _read(self) -> dict[str, list[str]]:
        try:
            text = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"signing secrets were not read: {type(error).__name__}") from None
        try:
            accepted = json.loads(text or "{}")
        except ValueError:
            accepted = None
        if not isinstance(accepted, dict):
            raise Unavailable("the signing secrets' value is malformed: correct it first")
        return accepted
