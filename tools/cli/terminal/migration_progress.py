"""Describes the progress of a migration: step, counts, rate and time left."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tools.cli.terminal.moments import lasting, readable
from tools.cli.terminal.output import words

type Json = dict[str, Any]

# The phase whose counts measure a step, where the two have different names.
_PHASES: Final = {
    "plan": "survey",
    "disable_client_sync": "disable_company_sync",
    "reenable_client_sync": "reenable_company_sync",
}
_SETTLED: Final = ("done", "skipped", "failed")


@dataclass(frozen=True)
class _Sample:
    """A phase at one time: the companies or pairs that are settled, the chunks that are done."""

    at: float
    settled: int
    chunks: int


class Progress:
    """The progress lines of one watch; `clock` returns seconds.

    The rate is measured from the first sample of a phase to its last change. Until something
    changes, the time left comes from the plan's figures.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = ""
        self._first = self._last = _Sample(0, 0, 0)

    def line(self, found: Json) -> str:
        """Return one line about the migration as it is now."""
        step: str = found["step"]
        text = f"{words(found['status'])}, {words(step)}"
        if waiting := found.get("waiting_for"):
            return f"{text}: waits for {words(waiting)} since {readable(found['waiting_since'])}"
        if cause := found.get("waits_for"):
            return f"{text}: waits for {cause}"
        plan = found.get("plan") or {}
        phase = _PHASES.get(step, step)
        counts = found["counts"].get(phase)
        if not counts:
            first_look = plan.get("wait_seconds") if step == "wait_for_quiet" else None
            return text + (f": first look after {lasting(first_look)}" if first_look else "")
        self._see(phase, counts)
        return f"{text}: {counted(counts)}{self._measured(counts) or _planned(step, counts, plan)}"

    def _see(self, phase: str, counts: Json) -> None:
        settled = sum(counts[outcome] for outcome in _SETTLED)
        seen = _Sample(self._clock(), settled, counts["chunks"])
        if (
            phase != self._phase or seen.chunks < self._last.chunks
        ):  # another phase, or the same again
            self._phase, self._first, self._last = phase, seen, seen
        elif (seen.settled, seen.chunks) != (self._last.settled, self._last.chunks):
            self._last = seen

    def _measured(self, counts: Json) -> str:
        took = self._last.at - self._first.at
        settled = self._last.settled - self._first.settled
        if took <= 0 or settled <= 0:
            return ""
        rate = f"; {_rate(settled / took)}"
        left = counts["of_chunks"] - counts["chunks"]
        chunks = self._last.chunks - self._first.chunks
        if left <= 0 or not chunks:
            return rate
        return f"{rate}, about {lasting(left * took / chunks)} left"


def counted(counts: Json) -> str:
    """Return the counts of a phase as text."""
    text = f"{counts['done']} done, {counts['skipped']} skipped, {counts['failed']} failed"
    if counts["open"]:
        text += f", {counts['open']} open"
    return f"{text} ({counts['chunks']} of {counts['of_chunks']} chunks)"


def _rate(a_second: float) -> str:
    if a_second < 1:
        return f"{60 * a_second:.0f} a minute"
    return f"{a_second:.0f} a second" if a_second >= 10 else f"{a_second:.2g} a second"


def _planned(step: str, counts: Json, plan: Json) -> str:
    """Return the time left by the plan's figures, if the plan has this step."""
    left = counts["of_chunks"] - counts["chunks"]
    calls = next((row["calls"] for row in plan.get("steps", ()) if row["step"] == step), 0)
    if left <= 0 or not calls:
        return ""
    rate = plan["calls"] / max(1, plan["calls_seconds"])
    seconds = calls * left / counts["of_chunks"] / rate
    return f"; by the plan about {lasting(seconds)} left, at {rate:.0f} calls a second"
