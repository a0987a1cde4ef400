"""A request joins the run that is under way, and starts one only if there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from codat_hub.errors import Absent, Conflict, Unavailable
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.reconcile.usecases.start_reconcile import BeginReconcile, StartReconcile, a_new_id
from tools.simulation.fakes import FakeStateTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class RacedRuns(ReconcileRunStore):
    """A store in which another process begins a run just before each `begin` of this one."""

    def __init__(self, table, races):
        super().__init__(table)
        self.others = ReconcileRunStore(table)
        self.races = races

    def begin(self, run, version):
        if self.races:
            self.races -= 1
            other = replace(run, reconcile_id=f"other-{self.races}", status=self.status)
            assert self.others.begin(other, version)
        return super().begin(run, version)

    status = ReconcileStatus.RUNNING


@pytest.fixture
def runs():
    return ReconcileRunStore(FakeStateTable())


def begin(runs):
    return BeginReconcile(runs, now=lambda: NOON)


def test_the_first_request_starts_a_run_and_the_next_joins_it(runs):
    run = begin(runs)("ann")
    assert (run.requested_by, run.requested_at, run.status) == ("ann", NOON, ReconcileStatus.QUEUED)
    assert runs.get(run.reconcile_id) == (run, 1)
    assert begin(runs)("ben") == run


@pytest.mark.parametrize("status", [ReconcileStatus.COMPLETE, ReconcileStatus.FAILED])
def test_after_a_run_is_over_the_next_request_starts_another(runs, status):
    run = begin(runs)("ann")
    assert runs.put(replace(run, status=status), 1)
    assert begin(runs)("ben").reconcile_id != run.reconcile_id


def test_a_request_that_comes_twice_gets_the_same_run_even_when_it_is_over(runs):
    run = begin(runs)("schedule", "20261122T120000-a")
    assert runs.put(replace(run, status=ReconcileStatus.COMPLETE), 1)
    again = begin(runs)("schedule", "20261122T120000-a")
    assert (again.reconcile_id, again.over) == (run.reconcile_id, True)


def test_a_request_that_loses_the_race_joins_the_winner():
    run = begin(RacedRuns(FakeStateTable(), races=1))("ann")
    assert run.reconcile_id == "other-0"


def test_a_request_that_loses_every_race_gives_up():
    runs = RacedRuns(FakeStateTable(), races=100)
    runs.status = ReconcileStatus.COMPLETE
    with pytest.raises(Unavailable):
        begin(runs)("ann")


def test_every_request_queues_the_run_so_that_a_forgotten_one_goes_on(runs):
    queued = []

    class Queue:
        send = staticmethod(queued.append)

    start = StartReconcile(begin(runs), Queue)
    first, second = start("ann"), start("ben")
    assert queued == [first.reconcile_id, second.reconcile_id] == [first.reconcile_id] * 2


class NoQueue:
    def send(self, _id):
        pass


def test_a_confirmation_goes_with_a_new_run_and_never_with_one_under_way(runs):
    start = StartReconcile(begin(runs), NoQueue())
    with pytest.raises(Absent, match="tools/hub reconcile list"):
        start("ann", "unknown")
    found = start("ann")
    with pytest.raises(Conflict, match="Confirm again"):
        start("ann", found.reconcile_id)
    assert runs.put(replace(found, status=ReconcileStatus.COMPLETE), 1)
    confirming = start("ann", found.reconcile_id)
    assert runs.get(confirming.reconcile_id)[0].confirms == found.reconcile_id


def test_ids_sort_by_time_whatever_the_time_zone():
    east = timezone(timedelta(hours=9))
    moments = [NOON + timedelta(seconds=number) for number in range(3)]
    ids = [a_new_id(moment.astimezone(east)) for moment in moments]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261122T120000")


def test_the_same_source_gives_the_same_id_and_no_source_a_unique_one():
    assert a_new_id(NOON, "message-1") == a_new_id(NOON, "message-1")
    assert a_new_id(NOON) != a_new_id(NOON)
