"""The result of a benched migration: its time, its calls, and what did not hold."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from tools.bench.own_stack import most
from tools.local.migrating import OVER

type Json = dict[str, Any]
type Say = Callable[[str], None]

_SAY_EVERY: Final = 10.0  # seconds


@dataclass(frozen=True)
class Check:
    what: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Phase:
    """One step as the control API showed it, with the calls to Codat during it."""

    run: str
    step: str
    seconds: float
    calls: int


@dataclass
class Result:
    """One mode's result.

    calls: when each call came in
    history: the number of events of each execution
    planned: how many calls the plan expected
    refused: answers of 400 and above by status, 0: no answer
    faults: how many faults the sandbox was asked for
    """

    mode: str
    companies: int
    phases: list[Phase] = field(default_factory=list)
    calls: list[datetime] = field(default_factory=list)
    planned: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    faults: int = 0
    history: dict[str, int] = field(default_factory=dict)
    biggest_item: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def expect(self, what: str, holds: object, detail: object = "") -> None:
        self.checks.append(Check(what, bool(holds), "" if holds else str(detail)[:500]))

    @property
    def wrong(self) -> list[Check]:
        return [check for check in self.checks if not check.holds]

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def busiest(self) -> int:
        return most(self.calls, timedelta(seconds=60))

    def as_json(self) -> Json:
        calls = {"calls": len(self.calls), "most_in_60_s": self.busiest}
        return {**asdict(self), **calls, "seconds": self.seconds, "refused": dict(self.refused)}


class Timeline:
    """The times when steps were first seen; it reports progress from time to time."""

    def __init__(self, say: Say) -> None:
        self.seen: list[tuple[datetime, str]] = []
        self._say, self._said = say, 0.0

    def look(self, found: Json) -> None:
        now, step = datetime.now(UTC), found["step"]
        if step == "end" and found["status"] not in OVER:
            step = "begin"  # of a rollback, after the end of the run
        if not self.seen or self.seen[-1][1] != step:
            self.seen.append((now, step))
            self._said = 0.0
        if time.monotonic() - self._said < _SAY_EVERY:
            return
        self._said = time.monotonic()
        counts = ", ".join(
            f"{phase} {count['chunks']} of {count['of_chunks']} chunks"
            for phase, count in found["counts"].items()
            if count["chunks"] < count["of_chunks"]
        )
        waiting = f", waits for {found['waiting_for']}" if found["waiting_for"] else ""
        took = (now - self.seen[0][0]).total_seconds()
        self._say(f"{took:5.0f} s  {step}{waiting}{': ' if counts else ''}{counts}")

    def phases(self, run: str, calls: Iterable[datetime]) -> list[Phase]:
        ends = [*self.seen, (datetime.now(UTC), "")]
        came = list(calls)
        return [
            Phase(
                run,
                step,
                (until - at).total_seconds(),
                sum(at <= call < until for call in came),
            )
            for (at, step), (until, _) in pairwise(ends)
            if step != "end"
        ]
