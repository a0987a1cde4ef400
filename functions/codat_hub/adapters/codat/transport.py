"""One HTTP exchange with Codat: a call in, a whole 2xx answer out, or a named exception.

No retries here: who waits, and how long, is decided where waiting costs nothing.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import httpx

from codat_hub.adapters.codat.answers import Received
from codat_hub.adapters.codat.failures import BUSY_PHRASES, failure
from codat_hub.errors import NotUnderstood, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.adapters.codat.answers import Call
    from codat_hub.adapters.codat.api_key import ApiKey, KeySource

BASE_URL: Final = "https://api.codat.io"
LARGEST_ANSWER: Final = (
    8 * 1024 * 1024
)  # bytes after decompression; 100 companies take about 0.3 MB
LARGEST_ERROR: Final = 64 * 1024  # bytes of an error answer that are read at all
KEPT_ALIVE: Final = (
    30.0  # seconds idle: well below the 350 after which a NAT gateway drops silently
)
_KEY: Final = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` bounds each wait for bytes, `total` the whole call, checked between them."""

    connect: float = 3.0
    read: float = 20.0
    total: float = 25.0

    @property
    def longest(self) -> float:
        """No call that reached Codat is waited for longer: the last wait may begin just in time."""
        return self.total + self.read


def new_http() -> httpx.Client:
    """A connection pool to make once, at import of a handler, so that connections are reused."""
    http = httpx.Client(limits=httpx.Limits(keepalive_expiry=KEPT_ALIVE))
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


class Transport:
    """See the module. `api_key` is asked once per call; `monotonic` is in seconds."""

    def __init__(
        self,
        http: httpx.Client,
        api_key: KeySource,
        *,
        base_url: str = BASE_URL,
        timeouts: Timeouts = Timeouts(),
        busy_phrases: tuple[str, ...] = BUSY_PHRASES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._api_key = api_key
        self._base_url = _checked(base_url)
        self._timeouts = timeouts
        self._busy_phrases = busy_phrases
        self._now = now
        self._monotonic = monotonic

    def send(self, call: Call) -> Received:
        """The answer, when it is a 2xx. Raises the subclasses of CallFailed."""
        key = self._api_key.current()
        received = self._exchange(call, key)
        if not 200 <= received.status < 300:
            raise failure(call, received, self._busy_phrases)
        return received

    def forget_key(self) -> None:
        self._api_key.forget()

    def _exchange(self, call: Call, key: ApiKey) -> Received:
        deadline = self._monotonic() + self._timeouts.total
        status = None
        try:
            with self._http.stream(
                call.method,
                self._base_url + call.target,
                headers=_headers(call, key.authorization()),
                content=None if call.body is None else json.dumps(call.body).encode(),
                timeout=httpx.Timeout(self._timeouts.read, connect=self._timeouts.connect),
                follow_redirects=False,  # the key goes to Codat and nowhere else
                auth=None,
            ) as response:
                status = response.status_code
                body = self._read(call, response, deadline)
                return Received(status, response.headers, body, self._now(), key.redact)
        except httpx.DecodingError as exc:
            raise NotUnderstood("undecodable body", status=status, call=str(call)) from exc
        except (httpx.HTTPError, httpx.StreamError) as exc:
            text = f"no whole answer: {type(exc).__name__}"
            raise OutcomeUnknown(text, status=status, call=str(call)) from exc

    def _read(self, call: Call, response: httpx.Response, deadline: float) -> bytes:
        success = response.is_success
        body = bytearray()
        for chunk in response.iter_bytes():
            if self._monotonic() > deadline:
                text = f"no whole answer within {self._timeouts.total:g} s"
                raise OutcomeUnknown(text, status=response.status_code, call=str(call))
            body += chunk
            if not success and len(body) >= LARGEST_ERROR:
                return bytes(body[:LARGEST_ERROR])
            if len(body) > LARGEST_ANSWER:
                text = f"an answer of over {LARGEST_ANSWER} bytes"
                raise NotUnderstood(text, status=response.status_code, call=str(call))
        return bytes(body)


def _headers(call: Call, authorization: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Authorization": authorization,
        "User-Agent": "codat-hub",
    }
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if call.idempotency_key is not None:
        if not _KEY.fullmatch(call.idempotency_key):
            raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
        headers["Idempotency-Key"] = call.idempotency_key
    return headers


def _checked(base_url: str) -> str:
    """`base_url` without a trailing slash; the key is never sent in clear text but to this host."""
    url = httpx.URL(base_url)
    if not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("the base URL of Codat is a scheme, a host and perhaps a path")
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise ValueError("the base URL of Codat must be https, or http on this machine")
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
