"""One HTTP exchange with Codat: a call in, a whole 2xx answer out, or an exception of errors.py.

There are no retries here: the callers decide on waits, because there a wait costs nothing.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import httpx

from codat_hub.codat.adapters import deadline
from codat_hub.codat.adapters.answers import HttpAnswer
from codat_hub.codat.adapters.bodies import ACCEPTED_CODING, TooLong, whole
from codat_hub.codat.adapters.failures import BUSY_PHRASES, failure, tidy
from codat_hub.codat.errors import CallFailed, NotUnderstood, OutcomeUnknown, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.codat.adapters.answers import Call
    from codat_hub.codat.adapters.api_key import ApiKey, KeySource

BASE_URL: Final = "https://api.codat.io"
# Seconds a connection may idle: well below the 350 after which a NAT gateway drops it silently.
KEPT_ALIVE: Final = 30.0
_KEY: Final = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds.

    connect: for each address of the host
    read: for each wait for bytes
    total: for the whole call with a client of `new_http`

    None of them limits the lookup of the host's name; the function's own timeout does.
    """

    connect: float = 3.0
    read: float = 20.0
    total: float = 25.0

    @property
    def longest(self) -> float:
        """The time after which nothing of a call is sent or waited for.

        Only a slow name lookup or several dead addresses take longer, and then nothing is sent.
        """
        return self.total


def new_http() -> httpx.Client:
    """Return a connection pool; create it once, at import of a handler, to reuse connections.

    It keeps no cookies, and no call outlasts its deadline. It takes no proxy from the environment,
    because the deadline would not hold there, and calls to this machine would leave it.

    It stops httpcore and httpx from logging answers, for the whole process. Answers are payload,
    and a server that echoes the request shows the API key in them.
    """
    logging.getLogger("httpcore").setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    pool = deadline.BoundedTransport(keepalive_expiry=KEPT_ALIVE)
    http = httpx.Client(transport=pool, trust_env=False)
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


class Transport:
    """Sends calls to Codat with the key of `api_key`, which is asked once for each call.

    admit: called right before each call leaves; it may wait, or raise RateLimited to refuse it
    """

    def __init__(
        self,
        http: httpx.Client,
        api_key: KeySource,
        *,
        base_url: str = BASE_URL,
        timeouts: Timeouts = Timeouts(),
        busy_phrases: tuple[str, ...] = BUSY_PHRASES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        self._http = http
        self._api_key = api_key
        self._base_url = _checked(base_url)
        self._timeouts = timeouts
        self._busy_phrases = busy_phrases
        self._now = now
        self._admit = admit

    def send(self, call: Call) -> HttpAnswer:
        """Return the answer to a call if it is a 2xx. Raises the subclasses of CallFailed.

        After a 401 the next call reads the API key again.
        """
        key = self._api_key.current()
        request = self._request(call, key)
        self._admit()
        with deadline.within(self._timeouts.total):
            outcome = self._exchange(call, request, key)
        if isinstance(outcome, CallFailed):
            raise outcome
        if not 200 <= outcome.status < 300:
            refusal = failure(call, outcome, self._busy_phrases)
            if isinstance(refusal, Unauthorized):
                self.forget_key()  # it may have been replaced
            raise refusal
        return outcome

    def key_version(self) -> str:
        """Return a name of the next call's API key, not the key. Raises TryLater, Unauthorized."""
        return self._api_key.version()

    def forget_key(self) -> None:
        """Read the API key again for the next call."""
        self._api_key.forget()

    def _exchange(self, call: Call, request: httpx.Request, key: ApiKey) -> HttpAnswer | CallFailed:
        """Return the answer or the failure, which the caller raises outside `except`.

        Exceptions of httpx and h11 quote the answer, which may quote the API key, so they must not
        be chained.
        """
        status = None
        try:
            # The key goes to Codat and nowhere else: no redirect is followed.
            response = self._http.send(request, stream=True, auth=None, follow_redirects=False)
            with closing(response):
                status = response.status_code
                body = whole(response)
                return HttpAnswer(status, response.headers, body, self._now(), key.redact)
        except (httpx.DecodingError, TooLong) as exc:
            kind: type[CallFailed] = NotUnderstood
            fault = _described(exc)
        except (httpx.HTTPError, httpx.StreamError) as exc:
            kind = OutcomeUnknown
            late = f"TooSlow: over {self._timeouts.total:g} s"
            fault = f"no whole answer: {late if deadline.is_over() else _described(exc)}"
        except (httpx.InvalidURL, ValueError) as exc:
            # httpx parses the Location of a redirect even if it does not follow it.
            kind = NotUnderstood
            fault = f"unreadable head: {type(exc).__name__}"
        return kind(tidy(key.redact(fault)), status=status, call=str(call))

    def _request(self, call: Call, key: ApiKey) -> httpx.Request:
        return self._http.build_request(
            call.method,
            self._base_url + call.target,
            headers=_headers(call, key.authorization()),
            content=None if call.body is None else json.dumps(call.body).encode(),
            timeout=httpx.Timeout(self._timeouts.read, connect=self._timeouts.connect),
        )


def _described(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def _headers(call: Call, authorization: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": ACCEPTED_CODING,
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
    """Return the base URL without a trailing slash. Raises ValueError if it is unsafe."""
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
