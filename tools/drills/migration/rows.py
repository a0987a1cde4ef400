"""The rows of the fault table: which call fails, how, for how long, for whom."""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tools.drills.migration.kinds import KINDS, Kind, Nature

AWS: Final = "AWS"  # the method of a "call" of AWS; its path is the point of failure
EVERY: Final = "*"  # every call, from a step on: Codat is away
_SHARE_AGAIN: Final = 0.25  # of the rows: another migration follows


class Direction(StrEnum):
    FORWARD = "apply"
    BACK = "compensate"


class Lasting(StrEnum):
    ONCE = "once"
    OUTAGE = "hour"
    EVER = "ever"


class Scope(StrEnum):
    CLIENT = "client"  # a call that concerns no company
    ONE = "one"
    ALL = "all"


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """A kind of call in a step: `path` has `{company}` and the like in it."""

    direction: Direction
    step: str
    method: str
    path: str

    @property
    def of_company(self) -> bool:
        return "{company}" in self.path and "{probe}" not in self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Row:
    """One case of the table.

    company: the only one that the fault is for; tolerated: how many failures the run accepts;
    again: another migration follows; seed: of the jitter of retries
    """

    call: Call
    kind: Kind
    lasting: Lasting
    scope: Scope
    mode: str
    company: str | None = None
    tolerated: int = 0
    again: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        where = f"{self.call.direction.name.lower()} {self.call.step} {self.call}"
        return f"{where} {self.way}"

    @property
    def way(self) -> str:
        return f"{self.kind.name} {self.lasting} {self.scope} {self.mode}"

    @property
    def borne(self) -> bool:
        """Tell whether the run must go on as if nothing had happened."""
        return self.kind.nature is not Nature.REFUSAL and self.lasting is not Lasting.EVER


def template(path: str) -> str:
    """Return a path without its ids."""
    path = re.sub(r"/companies/[^/]+", "/companies/{company}", path)
    path = re.sub(r"/products/codat-hub-probe$", "/products/{probe}", path)
    path = re.sub(r"/products/[^/{]+", "/products/{product}", path)
    return re.sub(r"/webhooks/[^/]+", "/webhooks/{consumer}", path)


def company_of(path: str) -> str | None:
    found = re.match(r"/companies/([^/]+)", path)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Seen:
    """The calls of a run without faults: in `mode`, and of which companies."""

    mode: str
    calls: dict[Call, tuple[str, ...]]


def all_rows(seen: Iterable[Seen], seed: int) -> list[Row]:
    """Return every row, in the order of the run; what is drawn depends on seed and row only."""
    rows = [row for run in seen for row in _rows_of(run, seed)]
    return list({row.name: row for row in rows}.values())


def drawn(rows: list[Row], wanted: int, seed: int) -> list[Row]:
    """Return `wanted` rows (0: all): first each call with each kind of fault, then others."""
    if not 0 < wanted < len(rows):
        return rows
    mixed = random.Random(seed).sample(rows, len(rows))
    firsts = {(row.call, row.kind.name): row for row in mixed}
    names = dict.fromkeys(row.name for row in (*firsts.values(), *mixed))
    chosen = set(list(names)[:wanted])
    return [row for row in rows if row.name in chosen]


def _rows_of(run: Seen, seed: int) -> Iterator[Row]:
    for call, companies in run.calls.items():
        if run.mode != "api" and not call.path.startswith("/webhooks"):
            continue  # the same call as in the other mode
        for kind in KINDS.values():
            if kind.aws != (call.path if call.method == AWS else ""):
                continue
            for lasting, scope in _ways(call, kind):
                yield _with_choices(Row(call, kind, lasting, scope, run.mode), companies, seed)
    calls_codat = dict.fromkeys(
        (call.direction, call.step) for call in run.calls if call.method != AWS
    )
    for direction, step in calls_codat if run.mode == "api" else ():
        every = Call(direction, step, EVERY, EVERY)
        for kind in KINDS.values():
            if not (kind.nature is Nature.REFUSAL or kind.in_flight or kind.aws):
                ways = (Lasting.ONCE,) if kind.rotated else (Lasting.OUTAGE, Lasting.EVER)
                for lasting in ways:
                    yield _with_choices(Row(every, kind, lasting, Scope.CLIENT, run.mode), (), seed)


def _ways(call: Call, kind: Kind) -> Iterator[tuple[Lasting, Scope]]:
    if kind.rotated or (kind.in_flight and call.method != "POST"):
        return
    for lasting in (Lasting.ONCE,) if kind.in_flight else Lasting:
        if not call.of_company:
            yield lasting, Scope.CLIENT
            continue
        yield lasting, Scope.ALL
        # a key and a quota are the client's: refused for good, they are so for all companies
        if lasting is Lasting.ONCE or not (kind.bad_key or kind.status == 429):
            yield lasting, Scope.ONE


def _with_choices(row: Row, companies: Sequence[str], seed: int) -> Row:
    """Return the row with what is drawn for it: by the seed and its name only."""
    chance = random.Random(f"{seed} {row.name}")
    one = row.scope is Scope.ONE
    return replace(
        row,
        company=chance.choice(companies) if one else None,
        tolerated=chance.choice((0, 1)) if one else 0,
        again=chance.random() < _SHARE_AGAIN,
        seed=chance.randrange(2**32),
    )
