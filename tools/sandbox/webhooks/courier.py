"""The courier carries postings over HTTP, in real seconds."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import Final

import httpx

from tools.sandbox.webhooks.model import Attempt
from tools.sandbox.webhooks.post_office import Posting, PostOffice

log = logging.getLogger("sandbox")

# Codat waits this many seconds for an answer (docs/codat.md, C33).
TIMEOUT_SECONDS: Final = 15.0
MOST_AT_ONCE: Final = 64


class Courier:
    """Make the attempts that are due, many at once, and report each to the post office."""

    def __init__(self, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._now = now
        self._wake = wake
        self._under_way: set[asyncio.Task[None]] = set()
        # For Codat a redirect is a failure; a proxy of this machine must not be used.
        self._http = httpx.AsyncClient(
            follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS
        )

    def dispatch(self, office: PostOffice) -> bool:
        """Start the attempts that are due; return False if more are due than may run at once."""
        free = MOST_AT_ONCE - len(self._under_way)
        for posting in islice(office.due(), free):
            task = asyncio.create_task(self._carry(office, posting))
            self._under_way.add(task)
            task.add_done_callback(self._done)
        return len(self._under_way) < MOST_AT_ONCE

    async def close(self) -> None:
        """Stop without waiting for consumers that are slow to answer."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._http.aclose()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake()

    async def _carry(self, office: PostOffice, posting: Posting) -> None:
        at, started = self._now(), time.monotonic()
        try:
            status, error = await self._post(posting)
        except asyncio.CancelledError:
            office.put_back(posting.delivery)
            raise
        office.report(posting.delivery, Attempt(at, status, time.monotonic() - started, error))

    async def _post(self, posting: Posting) -> tuple[int | None, str | None]:
        headers = posting.headers | {"content-type": "application/json"}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._http.post(
                    posting.url, content=posting.body.encode(), headers=headers
                )
        except TimeoutError:
            return None, f"no answer within {TIMEOUT_SECONDS:g} s"
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            return None, f"{type(problem).__name__}: {problem}"
        except Exception as problem:
            log.exception("an attempt failed in an unexpected way")
            return None, f"{type(problem).__name__}: {problem}"
        return answer.status_code, None
