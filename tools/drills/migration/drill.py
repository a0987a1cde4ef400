"""Runs one row: a migration with a fault, what it left, and the way out of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from codat_hub.api.routes.migrations import MigrationAnswer
from tools.drills.migration import rules
from tools.drills.migration.injector import Injector
from tools.drills.migration.rows import AWS, Call, Direction, Row, Seen, company_of
from tools.drills.migration.rows import template as template_of
from tools.drills.migration.rules import Breach, Rule, Told
from tools.simulation.silence import silence

MODES: Final = ("api", "portal")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a row ended.

    ends: the status of each end, the first with the fault; left: what was not as in the snapshot
    struck: how many calls got the fault; hours: from the first fault to the first end
    """

    row: Row
    ends: tuple[str, ...]
    struck: int
    hours: float
    left: tuple[str, ...]
    told: str
    breaches: tuple[Breach, ...]


def new_world(seed: int = 0) -> Any:
    """Return a world without faults."""
    worlds: Any = import_module("tools.simulation.migration_world")
    return worlds.MigrationWorld(seed=seed)


@silence()
def seen() -> list[Seen]:
    """Return the calls of a run and its rollback without faults, in both modes."""
    return [_seen(mode) for mode in MODES]


def _seen(mode: str) -> Seen:
    world = new_world()
    calls: dict[Call, dict[str, None]] = defaultdict(dict)
    late: list[str] = []

    def note(request: Any, send: Callable[[Any], Any]) -> Any:
        path = request.url.path
        direction = Direction(world.direction)
        call = Call(direction, world.step, request.method, template_of(path))
        calls[call][company_of(path) or ""] = None
        return send(request)

    def aws(point: str) -> None:
        calls[Call(Direction(world.direction), world.step, AWS, point)][""] = None

    world.aws = aws

    def before_step() -> None:
        if world.step == "begin_products":
            late.append(world.let_one_appear())

    world.wire.exchange = note
    world.before_step = before_step
    try:
        if world.migrate(mode=mode).status != "complete" or (
            world.roll_back().status != "rolled_back"
        ):
            raise RuntimeError(f"a run without faults ends as {world.run.status}: {world.run}")
    finally:
        world.close()
    # the id of the company that appears is another one in each run
    found = {call: tuple(one for one in ids if one not in late) for call, ids in calls.items()}
    return Seen(mode, {call: ids or ("",) for call, ids in found.items()})


@dataclass
class Drill:
    """One row at work."""

    row: Row
    world: Any
    injector: Injector
    before: dict[str, str]
    had: dict[str, set[str]]
    ends: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        breaches: list[Breach] = []
        told, left, hours = Told("", None), [], 0.0
        try:
            self._first_run()
            told, left = self._told(), self._left()
            end = self.injector.gave_up_at or self.world.now()
            if self.row.call.direction is Direction.BACK:
                end = self.world.now()
            waited = end - self.injector.first_at if self.injector.first_at else None
            hours = (waited or timedelta(0)) / timedelta(hours=1)
            unsure = rules.unsure(self.world)
            breaches += rules.of_the_end(self.row, self.ends[0], told, left, waited, unsure=unsure)
            breaches += self._of_this_end(told)
            self.injector.lifted = True
            breaches += self._way_out()
        except Exception as error:  # noqa: BLE001  # a row that breaks is one of the findings
            breaches.append(Breach(Rule.ENDS, f"{type(error).__name__}: {error}"))
        breaches += [Breach(Rule.ONCE, said) for said in dict.fromkeys(self.injector.twice)]
        breaches += [Breach(Rule.SAID, said) for said in dict.fromkeys(self.injector.silent)]
        return Outcome(
            self.row,
            tuple(self.ends),
            self.injector.struck,
            hours,
            tuple(left),
            told.text,
            tuple(breaches),
        )

    def _first_run(self) -> None:
        row, world = self.row, self.world
        request: dict[str, Any] = {"mode": row.mode, "tolerated_failures": row.tolerated}
        if row.call.direction is Direction.FORWARD:
            self.injector.armed = True
            self._ended(world.migrate(**request))
            return
        if world.migrate(**request).status != "complete":
            raise RuntimeError("the run before the fault is not complete")
        self.injector.armed = True
        self._ended(world.roll_back())

    def _way_out(self) -> Iterator[Breach]:
        """Go back to the snapshot, the fault lifted; then see whether another run can start."""
        world = self.world
        if self.ends[-1] in {"complete", "rollback_incomplete"}:
            # what the fault has changed at Codat is not as a complete run left it
            self._ended(world.roll_back(forced=self.ends[-1] == "complete"))
            if self.ends[-1] not in {"rolled_back", "failed"}:  # failed: there was nothing to undo
                yield Breach(Rule.RERUN, f"{self.ends[-1]}: {world.run.error}")
                return
        if self.ends[-1] not in {"rolled_back", "failed"}:
            return
        told = self._told()
        # what Codat said is gone and is there all the same, a person has to be told of
        if left := [
            one for one in self._left() if self.row.kind.status != 404 or not told.names(one)
        ]:
            yield Breach(Rule.RESTORED, ", ".join(left))
        if active := world.lock.active():
            yield Breach(Rule.FREE, f"{active.migration_id} is {active.status}")
        elif self.row.again:
            status = world.migrate(mode=self.row.mode).status
            if status != "complete":
                yield Breach(Rule.FREE, f"the next run is {status}: {world.run.error}")

    def _of_this_end(self, told: Told) -> Iterator[Breach]:
        match self.ends[-1]:
            case "complete" if self.row.call.direction is Direction.FORWARD:
                yield from rules.of_completion(self.world, told, self.had)
            case "rollback_incomplete":
                yield from rules.of_reads(self.world, told, self.had)

    def _ended(self, run: Any) -> None:
        self.ends.append(str(run.status))

    def _told(self) -> Told:
        run = self.world.run
        answer = MigrationAnswer.of(run, self.world.migrations.standing(run))
        return Told.by(answer.model_dump(mode="json"))

    def _left(self) -> list[str]:
        return rules.differences(self.before, self.world.codat_now())


@silence()
def run_row(row: Row) -> Outcome:
    """Run one row in a world of its own."""
    world = new_world(row.seed)
    try:
        had = {one.id: set(one.products) for one in world.state.companies.values()}
        before = world.codat_now()

        def appeared(company_id: str) -> None:
            had[company_id] = set()
            now = world.codat_now()
            before.update({name: now[name] for name in now if name.endswith(company_id)})

        injector = Injector(world, row, appeared)
        injector.attach()
        return Drill(row, world, injector, before, had).run()
    finally:
        world.close()
