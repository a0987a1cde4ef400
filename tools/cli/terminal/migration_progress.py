"""How far a migration is: its step, its counts, how fast it goes, and how long that still takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tools.cli.terminal.moments import lasting, readable
from tools.cli.terminal.output import words

type Json = dict[str, Any]

# Which phase's counts tell how far a step is, where it is not called the same.
_PHASES: Final = {
    "plan": "survey",
    "disable_client_sync": "disable_company_sync",
    "reenable_client_sync": "reenable_company_sync",
}
_SETTLED: Final = ("done", "skipped", "failed")


@dataclass(frozen=True)
class _Sight:
    """A phase at a time: how many companies or pairs are settled, and how many chunks done."""

    at: float
    settled: int
    chunks: int


class Progress:
    """What one watch says of a migration, line by line; `clock` counts seconds.

    The rate is what was settled per second since this watch saw the phase, taken at the last
    change; as long as nothing was, time left is by the plan's figures.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = ""
        self._first = self._last = _Sight(0, 0, 0)

    def line(self, found: Json) -> str:
        """Return where it is now, in one line."""
        step: str = found["step"]
        said = f"{found['status']}, {words(step)}"
        if waiting := found.get("waiting_for"):
            return f"{said}: waits for {words(waiting)} since {readable(found['waiting_since'])}"
        plan = found.get("plan") or {}
        phase = _PHASES.get(step, step)
        counts = found["counts"].get(phase)
        if not counts:
            first_look = plan.get("wait_seconds") if step == "wait_for_quiet" else None
            return said + (f": first look after {lasting(first_look)}" if first_look else "")
        self._see(phase, counts)
        return f"{said}: {counted(counts)}{self._measured(counts) or _planned(step, counts, plan)}"

    def _see(self, phase: str, counts: Json) -> None:
        seen = _Sight(self._clock(), sum(counts[one] for one in _SETTLED), counts["chunks"])
        if phase != self._phase or seen.chunks < self._last.chunks:  # another one, or done anew
            self._phase, self._first, self._last = phase, seen, seen
        elif (seen.settled, seen.chunks) != (self._last.settled, self._last.chunks):
            self._last = seen

    def _measured(self, counts: Json) -> str:
        took = self._last.at - self._first.at
        settled = self._last.settled - self._first.settled
        if took <= 0 or settled <= 0:
            return ""
        said = f"; {_rate(settled / took)}"
        left, chunks = (
            counts["of_chunks"] - counts["chunks"],
            self._last.chunks - self._first.chunks,
        )
        if left <= 0 or not chunks:
            return said
        return f"{said}, about {lasting(left * took / chunks)} left"


def counted(one: Json) -> str:
    """Return a phase's counts as text."""
    said = f"{one['done']} done, {one['skipped']} skipped, {one['failed']} failed"
    if one["open"]:
        said += f", {one['open']} open"
    return f"{said} ({one['chunks']} of {one['of_chunks']} chunks)"


def _rate(a_second: float) -> str:
    if a_second < 1:
        return f"{60 * a_second:.0f} a minute"
    return f"{a_second:.0f} a second" if a_second >= 10 else f"{a_second:.2g} a second"


def _planned(step: str, counts: Json, plan: Json) -> str:
    """Return the time left by the plan's arithmetic, for a step that the plan knows."""
    left = counts["of_chunks"] - counts["chunks"]
    calls = next((one["calls"] for one in plan.get("steps", ()) if one["step"] == step), 0)
    if left <= 0 or not calls:
        return ""
    rate = plan["calls"] / max(1, plan["calls_seconds"])
    seconds = calls * left / counts["of_chunks"] / rate
    return f"; by the plan about {lasting(seconds)} left, at {rate:.0f} calls a second"
