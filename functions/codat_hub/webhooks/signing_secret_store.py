"""The store that changes the signing secrets which the webhook function accepts.

One secret holds the secrets of all consumers, so two people may change it at the same time. A new
value gets a staging label of its own. Then AWSCURRENT moves to it from the version that was read;
the move fails if another change has moved AWSCURRENT meanwhile. (AWS: UpdateSecretVersionStage)
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable
from codat_hub.storage.update import update
from codat_hub.webhooks.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient

type Accepted = Mapping[str, list[str]]  # consumer -> accepted secrets, newest first

_CURRENT: Final = "AWSCURRENT"
_CANDIDATE: Final = "HUB_CANDIDATE"  # one label for all changes: a secret may have 20 labels
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.8  # seconds after a lost race; doubled each time


class MalformedSecret(Exception):
    """The secret's value does not have the agreed form. The text never quotes it."""


class SigningSecretStore:
    """Reads and changes the accepted secrets. Raises MalformedSecret and botocore's errors."""

    def __init__(
        self,
        client: SecretsManagerClient,
        arn: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._arn = arn
        self._pause = pause

    def read(self) -> Accepted:
        """Return the accepted secrets by consumer; none before the first value is stored."""
        return self._read()[0]

    def set(self, consumers: Accepted) -> None:
        """Set the secrets of these consumers and keep those of all others."""
        self.change(lambda accepted: {**accepted, **consumers})

    def change(self, change: Callable[[Accepted], Accepted]) -> Accepted:
        """Replace the accepted secrets by the result of `change`, and return that result.

        `change` runs again after each lost race. Raises Unavailable after too many lost races.
        """

        def changed(accepted: Accepted) -> Accepted | None:
            after = change(accepted)
            return None if after == accepted else after

        what = "the signing secrets"
        updated = update(self._read, changed, self._replace, what, pause=self._pause_after)
        return updated.before if updated.after is None else updated.after

    def _pause_after(self, lost: int) -> None:
        longest = min(_FIRST_PAUSE * 2 ** (lost - 1), _LONGEST_PAUSE)
        self._pause(random.uniform(0, longest))  # noqa: S311  # not for cryptography

    def _read(self) -> tuple[Accepted, str | None]:
        """Return the accepted secrets and the id of their version, None before the first value."""
        try:
            current = self._client.get_secret_value(SecretId=self._arn, VersionStage=_CURRENT)
        except self._client.exceptions.ResourceNotFoundException:
            return {}, None
        return _parse(current.get("SecretString") or "{}", self._arn), current["VersionId"]

    def _replace(self, accepted: Accepted, version: str | None) -> bool:
        """Write over a version; return False if it is no longer the current version."""
        put = self._client.put_secret_value(
            SecretId=self._arn,
            SecretString=json.dumps(accepted),
            VersionStages=[_CANDIDATE],
        )
        if _CURRENT in put["VersionStages"]:
            return True  # AWS labels the first value of a secret AWSCURRENT by itself
        move: Any = {"MoveToVersionId": put["VersionId"]}
        if version is not None:
            move["RemoveFromVersionId"] = version
        try:
            self._client.update_secret_version_stage(
                SecretId=self._arn, VersionStage=_CURRENT, **move
            )
        except self._client.exceptions.InvalidParameterException:
            return False
        return True


class ConfirmedSecrets:
    """Changes the accepted secrets for a migration. Raises Unavailable, which quotes no secret."""

    def __init__(self, store: SigningSecretStore) -> None:
        self._store = store

    def accept(self, consumer: str, secret: str) -> bool:
        """Accept a secret as the consumer's newest; return False if it was accepted already."""
        new = False

        def with_it(accepted: Accepted) -> Accepted:
            nonlocal new
            known = accepted.get(consumer, [])
            if secret in known:
                return accepted
            new = True
            return {**accepted, consumer: [secret, *known]}

        self._change(with_it)
        return new

    def withdraw(self, consumer: str, fingerprints: Collection[str]) -> None:
        """Stop accepting the consumer's secrets that have these fingerprints."""

        def without(accepted: Accepted) -> Accepted:
            known = accepted.get(consumer, [])
            kept = [secret for secret in known if fingerprint(secret) not in fingerprints]
            others = {name: secrets for name, secrets in accepted.items() if name != consumer}
            return {**others, consumer: kept} if kept else others

        self._change(without)

    def _change(self, change: Callable[[Accepted], Accepted]) -> None:
        try:
            self._store.change(change)
        except MalformedSecret:
            raise Unavailable("the signing secrets are malformed: correct them first") from None
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(
                f"the signing secrets were not changed: {type(error).__name__}"
            ) from None


def _parse(value: str, arn: str) -> Accepted:
    try:
        accepted = json.loads(value)
    except (ValueError, RecursionError):
        accepted = None
    if not isinstance(accepted, dict) or not all(map(_is_list_of_texts, accepted.values())):
        raise MalformedSecret(
            f'The value of {arn} does not have the form {{"consumer": ["whsec_..."]}}, and the '
            "hub ignores any other form. Correct it in Secrets Manager, or start again with "
            f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string '{{}}' "
            "and add each consumer's secret again."
        )
    return accepted


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(secret, str) for secret in value)
