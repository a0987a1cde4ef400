"""The Codat API key: read from Secrets Manager, kept for a while, shown to nobody."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.codat.errors import TryLater, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

# Faults that a person must mend; any other fault of Secrets Manager passes by itself.
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
    """One API key. Its repr shows nothing; `redact` takes it out of any text."""

    __slots__ = ("_encoded", "_raw")

    def __init__(self, raw: str) -> None:
        self._raw = raw.strip()
        if not self._raw:
            raise Unauthorized("the Codat API key is empty")
        self._encoded = b64encode(self._raw.encode("utf-8", "replace")).decode("ascii")

    def authorization(self) -> str:
        """The header value: the key alone, no user name, no colon (docs/codat.md, C1)."""
        return f"Basic {self._encoded}"

    def redact(self, text: str) -> str:
        """`text` without the key, raw or encoded: an answer may quote what we sent."""
        return text.replace(self._encoded, "[API key]").replace(self._raw, "[API key]")

    def __repr__(self) -> str:
        return "ApiKey(…)"


class KeySource(Protocol):
    """Where the client gets its key, once per call."""

    def current(self) -> ApiKey:
        """The key to use now. Raises TryLater, Unauthorized (neither with a status)."""
        ...

    def version(self) -> str:
        """Which key that is, without telling it. Raises as `current`."""
        ...

    def forget(self) -> None:
        """Read it anew next time: after a 401, so that a rotation takes effect at once."""
        ...


class GivenKey:
    """A key that somebody typed or a test made up: never read anew."""

    def __init__(self, raw: str) -> None:
        self._key = ApiKey(raw)

    def current(self) -> ApiKey:
        return self._key

    def version(self) -> str:
        return "given"

    def forget(self) -> None:
        """There is no other."""


class SecretKey:
    """The key in a Secrets Manager secret (the bare string), read at most once in `max_age`."""

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
        """Secrets Manager's version id."""
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
