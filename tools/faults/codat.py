"""Keeps a share of the hub's calls of the sandbox failing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tools.faults.draw import codat_faults


class CodatFaults:
    """One fault for every `1 / share` requests of Codat's API, in turn, in the seed's order."""

    def __init__(self, sandbox_url: str, seed: int, share: float = 0.02) -> None:
        self._http = httpx.Client(base_url=sandbox_url, timeout=10)
        self._faults = codat_faults(seed)
        self._every = round(1 / share)
        self._seen = 0
        self._due = self._last() + self._every
        self.asked_for = 0

    @contextmanager
    def at_work(self) -> Iterator["CodatFaults"]:
        """Look ten times a second whether the next fault is due."""
        over = threading.Event()
        thread = threading.Thread(target=self._work, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
            self._http.delete("/_sandbox/faults")
            self._http.close()

    def _work(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            while self._last() >= self._due:
                body = next(self._faults)
                self._http.post("/_sandbox/faults", json=body).raise_for_status()
                self._due += self._every
                self.asked_for += 1

    def _last(self) -> int:
        answer = self._http.get("/_sandbox/requests", params={"since": self._seen})
        found = answer.raise_for_status().json()
        self._seen = found[-1]["n"] if found else self._seen
        return self._seen
