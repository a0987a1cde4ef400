"""The rows of the fault table: which call fails, how, for how long, for whom."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tools.drills.migration.kinds import KINDS, Kind, Nature

EVERY: Final = "*"  # every call, from a step on: Codat is away


class Direction(StrEnum):
    FORWARD = "apply"
    BACK = "compensate"


class Lasting(StrEnum):
    ONCE = "once"
    OUTAGE = "50min"
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
    """One case. `company`: the one that the fault is for; `tolerated`: failures of companies."""

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
        return f"{where} {self.kind.name} {self.lasting} {self.scope} {self.mode}"

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
    order = [*firsts.values(), *(row for row in mixed if row not in firsts.values())]
    chosen = {row.name for row in order[:wanted]}
    return [row for row in rows if row.name in chosen]


def _rows_of(run: Seen, seed: int) -> Iterator[Row]:
    steps = dict.fromkeys((call.direction, call.step) for call in run.calls)
    for call, companies in run.calls.items():
        if run.mode != "api" and not call.path.startswith("/webhooks"):
            continue  # the same call as in the other mode
        for kind in KINDS.values():
            for lasting, scope in _ways(call, kind):
                yield _row(call, kind, lasting, scope, run.mode, companies, seed)
    for direction, step in steps if run.mode == "api" else ():
        for kind in KINDS.values():
            if kind.nature is not Nature.REFUSAL and not kind.in_flight:
                call = Call(direction, step, EVERY, EVERY)
                for lasting in (Lasting.OUTAGE, Lasting.EVER):
                    yield _row(call, kind, lasting, Scope.CLIENT, run.mode, (), seed)


def _ways(call: Call, kind: Kind) -> Iterator[tuple[Lasting, Scope]]:
    if kind.in_flight and call.method != "POST":
        return
    for lasting in Lasting:
        if kind.in_flight and lasting is not Lasting.ONCE:
            continue
        if not call.of_company:
            yield lasting, Scope.CLIENT
            continue
        yield lasting, Scope.ALL
        # a key and a quota are the client's: refused for good, they are so for all companies
        if lasting is Lasting.ONCE or not (kind.bad_key or kind.status == 429):
            yield lasting, Scope.ONE


def _row(
    call: Call,
    kind: Kind,
    lasting: Lasting,
    scope: Scope,
    mode: str,
    companies: tuple[str, ...],
    seed: int,
) -> Row:
    row = Row(call, kind, lasting, scope, mode)
    chance = random.Random(f"{seed} {row.name}")
    drawn: dict[str, Any] = {
        "company": chance.choice(companies) if scope is Scope.ONE else None,
        "tolerated": chance.choice((0, 1)) if scope is Scope.ONE else 0,
        "again": chance.random() < 0.25,
        "seed": chance.randrange(2**32),
    }
    return Row(call, kind, lasting, scope, mode, **drawn)
