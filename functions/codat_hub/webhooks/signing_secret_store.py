"""The signing secrets that the webhooks function accepts, for whoever changes them.

One secret holds them all (see signing_secrets.py), so two people may change it at once. A new value
is put under a staging label of its own; then AWSCURRENT is moved to it from the version that was
read, which fails once somebody else has moved it. (AWS: UpdateSecretVersionStage)
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable
from codat_hub.webhooks.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient

type Accepted = Mapping[str, list[str]]  # by consumer, newest first

_CURRENT: Final = "AWSCURRENT"
_CANDIDATE: Final = "HUB_CANDIDATE"  # always the same one: of all versions' labels 20 are allowed
_TRIES: Final = 6  # at a value that others keep changing
_FIRST_PAUSE: Final = 0.1  # seconds; doubled each time


class MalformedSecret(Exception):
    """The secret's value is not what its readers and writers agree on; it is never quoted."""


class SigningSecretStore:
    """Raises what botocore raises, and MalformedSecret."""

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
        """Return the accepted secrets by consumer; none while the stack is new."""
        return self._read()[0]

    def set(self, consumers: Accepted) -> None:
        """Set these consumers' secrets and leave every other consumer's alone."""
        self.change(lambda accepted: {**accepted, **consumers})

    def change(self, change: Callable[[Accepted], Accepted]) -> Accepted:
        """Replace the value by what `change` makes of it; it may be called more than once.

        Raises Unavailable while others keep changing it.
        """
        for number in range(_TRIES):
            accepted, version = self._read()
            changed = change(accepted)
            if changed == accepted or self._replace(changed, version):
                return changed
            self._pause(random.uniform(0, _FIRST_PAUSE * 2**number))  # noqa: S311  # a pause
        raise Unavailable("others keep changing the signing secrets")

    def _read(self) -> tuple[Accepted, str | None]:
        """Return them with the version that they are of, None if there is none yet."""
        try:
            found = self._client.get_secret_value(SecretId=self._arn, VersionStage=_CURRENT)
        except self._client.exceptions.ResourceNotFoundException:
            return {}, None
        return _parse(found.get("SecretString") or "{}", self._arn), found["VersionId"]

    def _replace(self, accepted: Accepted, version: str | None) -> bool:
        """Tell whether the version was still the present one."""
        put = self._client.put_secret_value(
            SecretId=self._arn,
            SecretString=json.dumps(accepted),
            VersionStages=[_CANDIDATE],
        )
        if _CURRENT in put["VersionStages"]:
            return True  # the first value of all is current at once
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
    """What people confirm while a migration waits. Raises Unavailable, never quoting a secret."""

    def __init__(self, store: SigningSecretStore) -> None:
        self._store = store

    def accept(self, consumer: str, secret: str) -> bool:
        """Accept a secret of a consumer from now on, as its newest. Tells whether it was not."""
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
        """Accept the consumer's secrets with these fingerprints no more."""

        def without(accepted: Accepted) -> Accepted:
            known = accepted.get(consumer, [])
            kept = [one for one in known if fingerprint(one) not in fingerprints]
            others = {name: secrets for name, secrets in accepted.items() if name != consumer}
            return {**others, consumer: kept} if kept else others

        self._change(without)

    def _change(self, change: Callable[[Accepted], Accepted]) -> None:
        try:
            self._store.change(change)
        except MalformedSecret:
            raise Unavailable("the signing secrets' value is malformed: correct it first") from None
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
            f'The value of {arn} is not of the form {{"consumer": ["whsec_..."]}}, and the hub '
            "accepts nothing that is not. Correct it in Secrets Manager, or start anew with "
            f"aws secretsmanager put-secret-value --secret-id {arn} --secret-string '{{}}' "
            "and add each consumer's secret again."
        )
    return accepted


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
