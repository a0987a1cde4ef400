"""Calls of Codat's API, at a steady pace; every answer is data, a refusal, or a reason to wait."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import urllib3

type Json = dict[str, Any]
# "Syncing" (409), a quota (429) and a wrong key (401) end by themselves or by a person's hand.
_PASSING: Final = frozenset({401, 408, 409, 429})
_A_DAY: Final = 86_400.0


class Refused(Exception):
    """Codat refuses this list for good. 404: it does not serve it."""

    def __init__(self, status: int, path: str) -> None:
        super().__init__(f"Codat answers {path} with {status}")
        self.status = status


class Wait(Exception):
    """The same call may work later. `seconds` is the wait that Codat asks for; None: not stated."""

    def __init__(self, why: str, status: int = 0, seconds: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.seconds = seconds


class Codat:
    """Codat's API. `read_key` returns the key; `pause` is the least seconds between two calls."""

    def __init__(self, base_url: str, read_key: Callable[[], str], pause: float) -> None:
        self._base_url = base_url
        self._read_key = read_key
        self._pause = pause
        self._http = urllib3.PoolManager(retries=False, timeout=30)
        self._key = ""
        self._next_call = 0.0

    def get(self, path: str, query: dict[str, str]) -> Any:
        """Return the JSON of an answer. Raises Refused and Wait."""
        self._key = self._key or self._read_key()
        time.sleep(max(0.0, self._next_call - time.monotonic()))
        self._next_call = time.monotonic() + self._pause
        # The key alone is encoded, without a colon (docs/codat.md, C1).
        authorization = f"Basic {base64.b64encode(self._key.encode()).decode()}"
        try:
            answer = self._http.request(
                "GET",
                self._base_url + path,
                fields=query,
                headers={"Authorization": authorization},
            )
        except urllib3.exceptions.HTTPError as error:
            raise Wait(f"no answer: {type(error).__name__}") from error
        if answer.status == 401:
            self._key = ""  # it may have been rotated
        return _judge(answer, path)


def _judge(answer: Any, path: str) -> Any:
    status: int = answer.status
    try:
        body = json.loads(answer.data)
    except ValueError:
        body = None
    # Without JSON, something between us and Codat has answered.
    if status in _PASSING or status >= 500 or not isinstance(body, dict | list):
        wait = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise Wait(f"Codat answers {path} with {status}", status, wait)
    if status != 200:
        raise Refused(status, path)
    return body


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return `Retry-After` in seconds, a day at most; None if it has no value.

    It is a number or a date (docs/codat.md, C12).
    """
    try:
        wait = float(text or "")
    except ValueError:
        date = _date(text or "")
        if date is None:
            return None
        wait = (date - now).total_seconds()
    return min(max(wait, 0.0), _A_DAY) if wait == wait else None  # noqa: PLR0124  # not NaN


def _date(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text)
        except (ValueError, TypeError, OverflowError):
            continue
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return None
