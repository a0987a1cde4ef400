"""Steps over the directory on ports in memory; the component test runs whole reconciles."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.codat.errors import Permanent
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.errors import Unreadable
from codat_hub.product_events.domain.read_event import ReadId, ReadKey
from codat_hub.product_events.domain.read_state import KeyState, ReadState
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.observed import ObservedStatus
from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileRun, ReconcileStatus
from codat_hub.reconcile.usecases.reconcile_directory import PAGE, CheckDirectory
from codat_hub.storage.found import Found
from tests.support.fakes import FakeAssignments, FakeCompanies

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LENDING = Product(
    "lending",
    ProductKind.CUSTOM,
    data_types=("invoices", "bills"),
    schedule=Schedule("cron(0 23 * * ? *)", "UTC"),
)


class Companies(FakeCompanies):
    """Companies in two shards; the first character of an id is its shard."""

    def ids(self, shard, after, limit):
        listed = sorted(name for name in self.kept if name.startswith(str(shard)))
        return [name for name in listed if name > (after or "")][:limit]

    def get_many(self, ids):
        return Found({company_id: self.get(company_id)[0] for company_id in ids})


class Assignments(FakeAssignments):
    def of_company(self, company_id):
        return [kept for (company, _), (kept, _) in self.kept.items() if company == company_id]

    def get_many(self, pairs):
        return Found({pair: self.kept[pair][0] for pair in pairs if pair in self.kept})


class ReadStates:
    def __init__(self):
        self.kept, self.unreadable = {}, set()

    def get(self, company_id, product):
        return self.kept.get((company_id, product), ReadState()), 1

    def put(self, company_id, product, state, version):
        assert version == 1
        self.kept[company_id, product] = state
        return True

    def get_many(self, pairs):
        return Found({pair: self.kept[pair] for pair in pairs if pair in self.kept})

    def of_company(self, company_id):
        if company_id in self.unreadable:
            raise Unreadable(company_id)
        return [state for (company, _), state in self.kept.items() if company == company_id]


class Codat:
    def __init__(self):
        self.calls, self.there, self.reads, self.asked = 0, set(), {}, Counter()
        self.fault = None

    def exists(self, company_id):
        self._call("exists", company_id)
        return company_id in self.there

    def statuses(self, company_id):
        self._call("statuses", company_id)
        return self.reads.get(company_id, {})

    def _call(self, name, company_id):
        self.calls += 1
        self.asked[name, company_id] += 1
        if self.fault:
            raise self.fault


class Runs:
    def __init__(self):
        self.lists, self.found, self.earlier = {}, {}, []

    def seen(self, reconcile_id):
        return self.lists.get(reconcile_id, set())

    def gone(self, reconcile_id):
        return self.found.get(reconcile_id, {})

    def latest(self, before, limit):
        assert limit >= 30  # a month of nights
        return [run for run in self.earlier if run.reconcile_id != before]


class World:
    def __init__(self):
        self.codat, self.companies, self.assignments = Codat(), Companies(), Assignments()
        self.read_states, self.runs, self.products = ReadStates(), Runs(), {"lending": LENDING}
        self.now = NOW
        self.run = ReconcileRun(
            "r1", "ann", NOW, ReconcileStatus.RUNNING, Phase.DIRECTORY, counts={"companies": 400}
        )
        self.check = CheckDirectory(
            self.codat,
            self.companies,
            self.assignments,
            self.read_states,
            self,
            self.runs,
            shards=2,
            now=lambda: self.now,
        )
        # The registry has a name for `products` too.
        self.check.registry = type("Registry", (), {"products": lambda _: Found(self.products)})()

    def company(self, company_id, *, listed=True, linked=True, **facts):
        connection = Connection(Stamp(NOW, "e"), "Linked" if linked else "PendingAuth")
        company = Company(company_id, "Ltd", connections={"k": connection}, **facts)
        assert self.companies.put(company, 0)
        if listed:
            self.runs.lists.setdefault("r1", set()).add(company_id)
        return company_id

    def assign(self, company_id, product="lending", *, ago=3 * 24 * HOUR, status=None):
        consent = Consent(product, NOW - ago, "owner", "1", LENDING.data_types, None)
        assignment = Assignment(company_id, product)
        self.assignments.put(
            replace(
                assignment,
                status=status or AssignmentStatus.ASSIGNED,
                consent=consent,
                changed_at=NOW - ago,
            ),
            0,
        )

    def steps(self):
        """Run all steps; return what each found."""
        found = []
        while True:
            step = self.check(self.run)
            found.append(step)
            self.runs.found.setdefault("r1", {}).update(step.gone)
            counts = Counter(self.run.counts) + Counter(step.outcome.counts)
            self.run = replace(self.run, cursor=step.outcome.cursor, counts=dict(counts))
            assert len(found) < 20
            if step.outcome.phase is None:
                return found
            assert step.outcome.phase is Phase.DIRECTORY


@pytest.fixture
def world():
    return World()


def test_its_clock_is_aware():
    assert CheckDirectory(*[None] * 6, shards=1).now().utcoffset() == timedelta(0)


def drifts(steps):
    return [drift for step in steps for finding in step.findings for drift in finding.drift]


def repair(steps):
    return [
        finding.repair()
        for step in steps
        for finding in step.findings
        if finding.repair is not None
    ]


class TestPages:
    @pytest.mark.parametrize("count", [PAGE - 1, PAGE, 2 * PAGE + 50])
    def test_every_company_of_every_shard_is_looked_at_once(self, world, count):
        names = {f"{shard}-{number:04}" for shard in (0, 1) for number in range(count)}
        for name in names:
            world.company(name, listed=False)
        world.codat.there = names
        steps = world.steps()
        assert world.codat.asked == {("exists", name): 1 for name in names}
        assert (world.run.counts["directory"], world.run.counts["live"]) == (2 * count, 2 * count)
        assert world.run.counts["codat_calls"] == 2 * count
        assert all(step.outcome.counts["directory"] <= PAGE for step in steps)
        assert drifts(steps) == []

    def test_an_empty_directory_ends_after_its_last_shard(self, world):
        assert len(world.steps()) == 2

    def test_listed_and_deleted_companies_cost_no_call(self, world):
        world.company("0-listed")
        world.company("0-deleted", listed=False, deleted_at=NOW - HOUR)
        world.steps()
        assert (world.codat.calls, world.run.counts["live"]) == (0, 1)

    def test_the_list_of_another_run_does_not_count(self, world):
        world.company("0-a")
        world.check(world.run)
        another = replace(world.run, reconcile_id="r2")
        world.check(another)
        assert world.codat.asked == {("exists", "0-a"): 1}

    def test_a_company_without_an_answer_is_neither_gone_nor_checked(self, world):
        world.company("0-odd", listed=False)
        world.assign("0-odd")
        world.codat.fault = Permanent("odd", status=400)
        steps = world.steps()
        (drift,) = drifts(steps)
        assert (drift.kind, drift.company_id) == (DriftKind.NOT_CHECKED, "0-odd")
        assert drift.subject == "whether it exists"
        assert world.codat.calls == 1
        assert not any(step.gone for step in steps)


class TestGone:
    def gone(self, world, count, shard=1):
        for number in range(count):
            world.company(f"{shard}-{number:04}", listed=False)

    def test_a_company_that_is_gone_is_marked_with_its_products(self, world):
        self.gone(world, 1)
        world.assign("1-0000")
        world.assign("1-0000", "other", status=AssignmentStatus.ABSENT)
        world.assign("0-other")
        steps = world.steps()
        (drift,) = drifts(steps)
        assert (drift.kind, drift.company_id) == (DriftKind.COMPANY_GONE, "1-0000")
        assert drift.detail == "Ltd: not in Codat's list, and Codat answers 404"
        world.now += HOUR
        assert repair(steps) == [True]
        assert world.companies.get("1-0000")[0].deleted_at == NOW - timedelta(minutes=1)
        cleared, _ = world.assignments.get("1-0000", "lending")
        assert cleared.status is AssignmentStatus.ABSENT
        assert (cleared.changed_by, cleared.changed_at) == ("reconcile", NOW + HOUR)
        assert world.assignments.get("1-0000", "other")[0].changed_at == NOW - 72 * HOUR
        assert world.assignments.get("0-other", "lending")[0].status is AssignmentStatus.ASSIGNED

    def test_a_company_that_was_marked_meanwhile_is_left(self, world):
        self.gone(world, 1)
        steps = world.steps()
        entry, version = world.companies.get("1-0000")
        world.companies.put(replace(entry, deleted_at=NOW - HOUR), version)
        assert repair(steps) == [True]
        assert world.companies.get("1-0000")[0].deleted_at == NOW - HOUR

    def test_companies_gone_in_an_early_shard_are_decided_on_after_the_last(self, world):
        self.gone(world, 1, shard=0)
        world.company("1-listed")
        assert [drift.kind for drift in drifts(world.steps())] == [DriftKind.COMPANY_GONE]

    @pytest.mark.parametrize("count", [PAGE, PAGE + 50])
    def test_in_numbers_every_one_is_named_and_none_marked(self, world, count):
        self.gone(world, count)
        steps = world.steps()
        found = drifts(steps)
        assert {drift.kind for drift in found} == {DriftKind.COMPANY_VANISHED}
        assert len({drift.company_id for drift in found}) == len(found) == count
        assert found[0].detail.endswith(f"answers 404; so are {count} of {count} companies")
        assert repair(steps) == []

    def test_in_numbers_they_are_believed_after_a_run_of_the_night_before(self, world):
        self.gone(world, 10)
        before = replace(
            world.run,
            reconcile_id="r0",
            requested_at=NOW - 24 * HOUR,
            status=ReconcileStatus.COMPLETE,
        )
        world.runs.earlier = [before]
        world.runs.found["r0"] = {f"1-{number:04}": NOW for number in range(9)}
        kinds = Counter(drift.kind for drift in drifts(world.steps()))
        assert kinds == {DriftKind.COMPANY_GONE: 9, DriftKind.COMPANY_VANISHED: 1}

    def test_one_that_was_marked_before_its_page_is_decided_on_is_no_drift(self, world):
        world.company("1-a", listed=False, deleted_at=NOW)
        world.runs.found["r1"] = {"1-a": NOW}
        world.run = replace(world.run, cursor="gone:", counts={"companies": 9, "gone": 1})
        assert drifts(world.steps()) == []


class TestMissingWebhooks:
    READ = NOW - 2 * HOUR

    @pytest.fixture
    def late(self, world):
        """A company whose last read came three days ago, and that Codat has read since."""
        world.company("0-a")
        world.assign("0-a")
        world.codat.reads["0-a"] = {
            name: ObservedStatus("Complete", self.READ) for name in ("invoices", "other")
        }
        return world

    def state(self, at, data_type="invoices"):
        read = ReadId(at, "f")
        return ReadState({ReadKey(data_type, "k"): KeyState("Complete", read, read)}, (), at)

    def test_a_read_that_no_webhook_reported_is_named(self, late):
        (drift,) = drifts(late.steps())
        assert (drift.kind, drift.company_id, drift.product) == (
            DriftKind.WEBHOOK_MISSING,
            "0-a",
            "lending",
        )
        assert drift.detail == (
            "read at Codat: invoices 2026-07-01T10:00:00+00:00; last webhook of this product: never"
        )
        assert drift.subject == "since 2026-07-01T10:00:00+00:00"

    def test_the_last_webhook_is_named_and_the_oldest_read_is_the_subject(self, late):
        late.read_states.kept["0-a", "lending"] = self.state(NOW - 70 * HOUR)
        late.codat.reads["0-a"]["bills"] = ObservedStatus("Complete", self.READ - HOUR)
        (drift,) = drifts(late.steps())
        assert "bills 2026-07-01T09:00:00+00:00, invoices 2026-07-01T10" in drift.detail
        assert drift.detail.endswith("last webhook of this product: 2026-06-28T14:00:00+00:00")
        assert drift.subject == "since 2026-07-01T09:00:00+00:00"

    def test_a_read_that_another_products_webhook_reported_is_not_missing(self, late):
        late.read_states.kept["0-a", "other"] = self.state(self.READ)
        assert drifts(late.steps()) == []
        assert late.codat.asked == {("statuses", "0-a"): 1}

    @pytest.mark.parametrize(
        "change",
        [
            lambda w: w.read_states.kept.update({("0-a", "lending"): ReadState(last_read_at=NOW)}),
            lambda w: w.read_states.unreadable.add("0-a"),
            lambda w: w.products.update(lending=replace(LENDING, schedule=None)),
            lambda w: w.products.update(lending=replace(LENDING, kind=ProductKind.STANDARD)),
            lambda w: w.products.update(
                lending=replace(LENDING, schedule=replace(LENDING.schedule, enabled=False))
            ),
            lambda w: w.assignments.kept.clear(),
            lambda w: w.companies.put(Company("0-a"), 1),
        ],
        ids=["punctual", "unreadable", "no schedule", "standard", "off", "absent", "unlinked"],
    )
    def test_nothing_is_asked_about_a_company_that_is_not_late(self, late, change):
        change(late)
        assert drifts(late.steps()) == []
        assert late.codat.calls == 0

    def test_a_company_that_is_being_added_is_not_late(self, world):
        world.company("0-a")
        world.assign("0-a", status=AssignmentStatus.ADDING)
        world.steps()
        assert world.codat.calls == 0

    def test_one_question_is_asked_for_all_products_of_a_company(self, late):
        late.products["more"] = replace(LENDING, identifier="more")
        late.assign("0-a", "more")
        found = drifts(late.steps())
        assert {drift.product for drift in found} == {"lending", "more"}
        assert late.codat.calls == 1

    def test_a_company_without_an_answer_costs_itself(self, late):
        late.company("0-b")
        late.assign("0-b")
        statuses = late.codat.statuses

        def odd(company_id):
            if company_id == "0-a":
                raise Permanent("odd", status=400)
            return statuses(company_id)

        late.codat.statuses = odd
        late.codat.reads["0-b"] = late.codat.reads["0-a"]
        kinds = {drift.company_id: drift.kind for drift in drifts(late.steps())}
        assert kinds == {"0-a": DriftKind.NOT_CHECKED, "0-b": DriftKind.WEBHOOK_MISSING}
