"""Kills processes of functions of one local stack at random, as Lambda may end an environment."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_NAME: Final = "AWS_LAMBDA_FUNCTION_NAME="


def workers(emulator: int) -> dict[int, str]:
    """Return the processes that run functions of this emulator, by id, with the function's name."""
    found = {}
    for pid in _children(emulator):
        with suppress(OSError):
            environment = (_PROC / str(pid) / "environ").read_bytes().decode(errors="replace")
            names = [one for one in environment.split("\0") if one.startswith(_NAME)]
            if names:
                found[pid] = names[0].removeprefix(_NAME)
    return found


def _children(parent: int) -> Iterator[int]:
    for task in (_PROC / str(parent) / "task").iterdir():
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


class Killer:
    """Ends a process of a function after a pause of the seed, again and again.

    only: a word of the functions' names; seconds: the mean pause. `killed` counts by function.
    """

    def __init__(self, emulator: int, seed: int, *, seconds: float = 5.0, only: str = "") -> None:
        self._emulator = emulator
        self._chance = random.Random(seed)
        self._seconds = seconds
        self._only = only
        self.killed: Counter[str] = Counter()

    @contextmanager
    def at_work(self) -> Iterator["Killer"]:
        over = threading.Event()
        thread = threading.Thread(target=self._work, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _work(self, over: threading.Event) -> None:
        while not over.wait(self._chance.uniform(0, 2 * self._seconds)):
            self.strike()

    def strike(self) -> str | None:
        """Kill one process; return the name of its function."""
        # by name, so that a seed chooses the same function whatever the ids are
        alive = sorted(
            (name, pid) for pid, name in workers(self._emulator).items() if self._only in name
        )
        if not alive:
            return None
        name, pid = self._chance.choice(alive)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[name] += 1
        return name
