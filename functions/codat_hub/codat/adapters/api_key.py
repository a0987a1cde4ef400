"""The Codat API key: read from Secrets Manager, kept for some minutes, never shown."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.codat.errors import TryLater, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

# A person must correct these; any other fault of Secrets Manager ends by itself.
_LASTING: Final = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


class ApiKey:
    """An API key. Its repr does not show it; `redact` removes it from any text."""

    __slots__ = ("_encoded", "_raw")

    def __init__(self, raw: str) -> None:
        self._raw = raw.strip()
        if not self._raw:
            raise Unauthorized("the Codat API key is empty")
        self._encoded = b64encode(self._raw.encode("utf-8", "replace")).decode("ascii")

    def authorization(self) -> str:
        """Return the header value, which encodes the key alone (docs/codat.md, C1)."""
        return f"Basic {self._encoded}"

    def redact(self, text: str) -> str:
        """Return the text without the key, raw or encoded: an answer may quote the request."""
        return text.replace(self._encoded, "[API key]").replace(self._raw, "[API key]")

    def __repr__(self) -> str:
        return "ApiKey(…)"


class KeySource(Protocol):
    """The source of the key, asked once for each call."""

    def current(self) -> ApiKey:
        """Return the key to use now. Raises TryLater and Unauthorized, without a status."""
        ...

    def version(self) -> str:
        """Return a name of the key that does not reveal it. Raises as `current`."""
        ...

    def forget(self) -> None:
        """Read the key again next time: after a 401, so that a rotation takes effect at once."""
        ...


class GivenKey:
    """A key that a person typed or a test made up."""

    def __init__(self, raw: str) -> None:
        self._key = ApiKey(raw)

    def current(self) -> ApiKey:
        return self._key

    def version(self) -> str:
        return "given"

    def forget(self) -> None:
        """Do nothing, because there is no other key."""


class SecretKey:
    """The key in a secret of Secrets Manager (the bare text), read at most once in `max_age`."""

    def __init__(
        self,
        secrets: SecretsManagerClient,
        arn: str,
        *,
        max_age: timedelta = timedelta(minutes=10),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secrets = secrets
        self._arn = arn
        self._max_age = max_age
        self._now = now
        self._kept: tuple[ApiKey, str, datetime] | None = None

    def current(self) -> ApiKey:
        return self._keep()[0]

    def version(self) -> str:
        """Return the secret's version id."""
        return self._keep()[1]

    def forget(self) -> None:
        self._kept = None

    def _keep(self) -> tuple[ApiKey, str, datetime]:
        now = self._now()
        if self._kept is None or now - self._kept[2] >= self._max_age:
            text, version = self._read()
            self._kept = (ApiKey(text), version, now)
        return self._kept

    def _read(self) -> tuple[str, str]:
        try:
            secret = self._secrets.get_secret_value(SecretId=self._arn)
        except ClientError as exc:
            code = str(exc.response.get("Error", {}).get("Code", "unknown"))
            fault = Unauthorized if code in _LASTING else TryLater
            raise fault(f"the secret with the Codat API key cannot be read: {code}") from exc
        except BotoCoreError as exc:
            name = type(exc).__name__
            raise TryLater(f"the secret with the Codat API key cannot be read: {name}") from exc
        if "SecretString" not in secret:
            raise Unauthorized("the secret with the Codat API key holds no text")
        return secret["SecretString"], secret["VersionId"]
