"""What must hold at the end of a row, whatever failed on the way."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from codat_hub.migration.usecases.listing import LATE_UNCHECKED
from tools.drills.migration.kinds import Nature
from tools.drills.migration.rows import Direction, Lasting, Row, Scope

AN_HOUR: Final = timedelta(hours=1)
FOR_A_KEY: Final = timedelta(hours=20)
_ENDS: Final = frozenset({"complete", "rolled_back", "rollback_incomplete", "failed"})


class Rule(StrEnum):
    """A row breaks none of these."""

    ENDS = "the run ends"
    BORNE = "a fault of an hour (a key: 20 h) undoes nothing"
    TOLERATED = "one refused company does not undo the run within the tolerance"
    TOLD = "what is missing at `complete` is told"
    NAMED = "what an incomplete rollback leaves is named"
    NEIGHBOURS = "one refused company leaves nothing else behind"
    READS = "no company is read twice, or not at all, without being named"
    SAID = "while a fault is borne, the run says what it waits for"
    ONCE = "no effect happens twice"
    RESTORED = "a full rollback ends equal to the snapshot"
    RERUN = "once the fault is lifted, a rerun of the rollback ends rolled_back"
    FREE = "an ended run leaves no lock, and another one completes"


@dataclass(frozen=True, slots=True)
class Breach:
    rule: Rule
    said: str


@dataclass(frozen=True, slots=True)
class Told:
    """What people and scripts learn from a run: its texts, and `left` where it has one."""

    text: str
    left: tuple[Mapping[str, Any], ...] | None

    @classmethod
    def by(cls, answer: Mapping[str, Any]) -> "Told":
        left = answer.get("left")
        told = [answer.get(name) for name in ("error", "notes", "left", "needs", "settled")]
        return cls(json.dumps(told, default=str), None if left is None else tuple(left))

    def names(self, thing: str) -> bool:
        """Tell whether a thing of a snapshot, such as `products ID`, is named."""
        what, _, company = thing.partition(" ")
        text = self.text if self.left is None else json.dumps(self.left, default=str)
        if what in {"products", "settings"}:
            return company in text
        if what == "client":
            return "client" in text or "/profile/syncSettings" in text
        return "consumer" in text or "/webhooks" in text


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the names of what is not as in the snapshot."""
    return [name for name in before if before[name] != after.get(name)]


def of_the_end(
    row: Row,
    status: str,
    told: Told,
    left: list[str],
    waited: timedelta | None,
    *,
    unsure: Collection[str] = (),
) -> Iterator[Breach]:
    """Yield what the first end of a row breaks.

    waited: from the first fault to giving up; unsure: what the run does not know the outcome of
    """
    if status not in _ENDS:
        yield Breach(Rule.ENDS, f"it is {status}")
    good = "complete" if row.call.direction is Direction.FORWARD else "rolled_back"
    if row.borne and status != good:
        yield Breach(Rule.BORNE, f"{status}: {told.text}")
    least = FOR_A_KEY if row.kind.nature is Nature.KEY else AN_HOUR
    lasting = row.lasting is Lasting.EVER and row.kind.nature is not Nature.REFUSAL
    if lasting and status != good and waited is not None and waited < least:
        yield Breach(Rule.BORNE, f"given up after {waited}: {told.text}")
    refused = row.scope is Scope.ONE and (
        row.kind.nature is Nature.REFUSAL or row.lasting is Lasting.EVER
    )
    forward = row.call.direction is Direction.FORWARD
    if refused and forward and row.tolerated and status != "complete":
        yield Breach(Rule.TOLERATED, f"{status}: {told.text}")
    if status == "rollback_incomplete":
        yield from _too_much(told, {*left, *unsure})
        unnamed = [thing for thing in left if not told.names(thing)]
        if unnamed:
            yield Breach(Rule.NAMED, f"{', '.join(unnamed)} not in {told.text}")
        others = [thing for thing in left if row.company and row.company not in thing]
        if refused and others:
            yield Breach(Rule.NEIGHBOURS, f"also left: {', '.join(others)}; {told.text}")


def _too_much(told: Told, left: Collection[str]) -> Iterator[Breach]:
    """Yield what is named as left and is as in the snapshot."""
    for item in told.left or ():
        company, product = item.get("company_id"), item.get("product")
        things = [f"products {company}"] if product else [f"settings {company}"]
        if company and not set(things) & set(left):
            yield Breach(Rule.NAMED, f"named, but as in the snapshot: {dict(item)}")


def unsure(world: Any) -> set[str]:
    """Return what the run meant to change and got no answer about: that counts as changed."""
    found = set()
    for name in world.ledger.ours(world.migration_id, 10_000):
        kind, _, rest = name.partition("#")
        if world.ledger.entry(world.migration_id, name).outcome is None:
            what = {"COMPANY": "settings", "PRODUCT": "products"}.get(kind, kind)
            found.add(f"{what} {rest.partition('#')[0]}")
    return found


def of_completion(world: Any, told: Told, had: Mapping[str, set[str]]) -> Iterator[Breach]:
    """Yield what is missing and not told in a run that says it is complete."""
    wanted = set(world.run.request.products)
    for company in world.state.companies.values():
        missing = wanted - set(company.products)
        named = told.names(f"products {company.id}") or _late(world, told, company.id)
        if missing and not named:
            yield Breach(Rule.TOLD, f"{company.id} has no {', '.join(sorted(missing))}")
    listed = Counter(_shape(one.url, one.event_types, one.company_tags) for one in _on(world))
    plan = world.run.plan or {}
    planned = Counter(
        _shape(one["url"], one["event_types"], one["tags"]) for one in plan.get("wanted", ())
    )
    for shape, count in planned.items():
        if listed[shape] < count and not told.names("consumers"):
            yield Breach(Rule.TOLD, f"consumer {shape} is missing")
        if listed[shape] > count:
            yield Breach(Rule.ONCE, f"consumer {shape} is there {listed[shape]} times")
    old = [one for one in _on(world) if "migration=" not in one.url]
    if old and not told.names("consumers"):
        yield Breach(Rule.TOLD, f"old consumer {old[0].id} is still on")
    yield from of_reads(world, told, had)


def of_reads(world: Any, told: Told, had: Mapping[str, set[str]]) -> Iterator[Breach]:
    """Yield companies that are read twice or not at all, and not named."""
    complete = world.run.status == "complete"
    wanted = set(world.run.request.products)
    twice, never = [], []
    for company in world.state.companies.values():
        if company.id not in had or told.names(f"products {company.id}"):
            continue
        if _late(world, told, company.id):
            continue
        has = wanted & set(company.products)
        if not world.has_schedule(company.id):
            client_named = not company.override and told.names("client settings")
            never += [] if has or (client_named and not complete) else [company.id]
        elif has if complete else has - had[company.id]:
            twice.append(company.id)
    if twice:
        yield Breach(Rule.READS, f"read twice: {', '.join(twice)}; {told.text}")
    if never:
        yield Breach(Rule.READS, f"not read at all: {', '.join(never)}; {told.text}")


def _late(world: Any, told: Told, company_id: str) -> bool:
    """Tell whether a company came late and the run says that nobody looked for such companies."""
    known = world.ledger.entry(world.migration_id, f"COMPANY#{company_id}").before
    return known is None and LATE_UNCHECKED in told.text


def _on(world: Any) -> list[Any]:
    return [one for one in world.consumers() if not one.disabled]


def _shape(url: str, event_types: Any, tags: Any) -> str:
    return f"{url} {sorted(event_types)} {sorted(tags or ())}"
