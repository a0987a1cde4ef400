"""The value of the stack's signing-secrets secret, as its writers see it.

`{"<consumer>": ["whsec_<newest>", "whsec_<older>", …]}`; the webhook function accepts them all.
"""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

type Accepted = dict[str, list[str]]


class MalformedSecret(Exception):
    """The secret's value is not what its readers and writers agree on; it is never quoted."""


class SigningSecretsStore:
    """Read, change, write. Secrets Manager has no compare-and-set: one writer at a time."""

    def __init__(self, client: "SecretsManagerClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def read(self) -> Accepted:
        """Return the accepted secrets by consumer; none while the stack is new.

        Raises MalformedSecret.
        """
        try:
            value = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        return _parse(value or "{}", self._arn)

    def set(self, consumers: Accepted) -> None:
        """Set these consumers' secrets and leave every other consumer's alone."""
        present = self.read()
        if present | consumers != present:
            text = json.dumps(present | consumers)
            self._client.put_secret_value(SecretId=self._arn, SecretString=text)


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
