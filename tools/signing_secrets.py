"""The value of the stack's signing-secrets secret, as its writers see it.

`{"<consumer>": ["whsec_<newest>", "whsec_<older>", …]}`; the webhook function accepts them all.
"""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

type Accepted = dict[str, list[str]]


class SigningSecretsStore:
    """Read, change, write. Secrets Manager has no compare-and-set: one writer at a time."""

    def __init__(self, client: "SecretsManagerClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def read(self) -> Accepted:
        """Return the accepted secrets by consumer; none while the stack is new."""
        try:
            value = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        accepted: Accepted = json.loads(value or "{}")
        return accepted

    def set(self, consumers: Accepted) -> None:
        """Set these consumers' secrets and leave every other consumer's alone."""
        present = self.read()
        if present | consumers != present:
            text = json.dumps(present | consumers)
            self._client.put_secret_value(SecretId=self._arn, SecretString=text)
