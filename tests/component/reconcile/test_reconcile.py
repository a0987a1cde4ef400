"""A run goes on where it stopped, waits for Codat's limit, and fails after lasting failures."""

from datetime import timedelta

import pytest

from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import MOST_FAILURES, ReconcileStatus
from tests.support.reconciling import first, killed_after, kinds
from tools.simulation.reconciling import PRODUCTS, Codats


def test_on_dynamodb_a_killed_run_goes_on_and_the_next_writes_nothing(on_dynamodb):
    hub = on_dynamodb
    run = hub.begin("test")
    with pytest.raises(KeyboardInterrupt):
        hub.go_on(run, killed_after(2))
    hub.clock.ahead += timedelta(minutes=6)
    assert hub.restarted().go_on(run) is True
    kept, _ = hub.runs.get(run.reconcile_id)
    assert kinds(hub, kept)[DriftKind.COMPANY_UNKNOWN] == 20
    for product in PRODUCTS:
        hub.consent(first(hub, product.identifier).id, product.identifier)

    hub.clock.ahead += timedelta(minutes=2)
    with_consents = hub.run()  # it lists the products that can be overdue now
    hub.clock.ahead += timedelta(minutes=2)
    hub.table.puts.clear()
    again = hub.run()
    assert again.status is ReconcileStatus.COMPLETE
    assert not [name for name in hub.table.puts if name.startswith("COMPANY")]
    assert hub.runs.latest() == [again, with_consents, kept]


def test_the_latest_run_comes_first_and_a_page_goes_on_from_there(hub):
    begun = []
    for _ in range(3):
        begun.insert(0, hub.run().reconcile_id)
        hub.clock.ahead += timedelta(seconds=1)
    assert [run.reconcile_id for run in hub.runs.latest(limit=2)] == begun[:2]
    assert [run.reconcile_id for run in hub.runs.latest(before=begun[1])] == begun[2:]


class TestResuming:
    @pytest.fixture
    def codat(self):
        return Codats(companies=210)

    def test_a_killed_run_goes_on_where_it_stopped(self, hub, monkeypatch):
        run = hub.begin("test")
        with pytest.raises(KeyboardInterrupt):
            hub.go_on(run, killed_after(3))
        pages = hub.codat.requests()[("GET", "/companies")]
        assert pages == 2
        assert hub.restarted().go_on(run) is False, "another process may still hold the lease"

        hub.clock.ahead += timedelta(minutes=6)
        assert hub.restarted().go_on(run) is True

        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.status, kept.resumed) == (ReconcileStatus.COMPLETE, 1)
        assert hub.codat.requests()[("GET", "/companies")] == 3, "no page twice"
        assert kept.counts["companies"] == kept.counts["directory"] == 210
        assert kept.drift[DriftKind.COMPANY_UNKNOWN] == 210

    @pytest.mark.parametrize("killed_at", [1, 2, 40, 99])
    def test_the_repairs_of_a_killed_step_are_reported_once(self, hub, monkeypatch, killed_at):
        put, puts = hub.companies.put, []

        def dying(*args):
            puts.append(args)
            if len(puts) == killed_at:
                raise KeyboardInterrupt
            return put(*args)

        monkeypatch.setattr(hub.companies, "put", dying)
        run = hub.begin("test")
        with pytest.raises(KeyboardInterrupt):
            hub.go_on(run)
        hub.clock.ahead += timedelta(minutes=6)
        hub.restarted().go_on(run)

        kept, _ = hub.runs.get(run.reconcile_id)
        found = hub.drift(kept)
        unknown = [drift for drift in found if drift.kind is DriftKind.COMPANY_UNKNOWN]
        assert len(unknown) == len({drift.company_id for drift in unknown}) == 210
        assert all(drift.mended for drift in unknown)
        assert kept.drift[DriftKind.COMPANY_UNKNOWN] == 210

    def test_a_run_out_of_time_releases_its_lease_and_can_go_on_at_once(self, hub):
        run = hub.begin("test")
        ticks = iter([True, True, False])
        assert hub.go_on(run, lambda: next(ticks)) is False
        assert hub.restarted().go_on(run) is True
        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.resumed, kept.counts["companies"]) == (0, 210)

    def test_codats_limit_is_waited_for_without_calls(self, hub):
        hub.codat.portal("faults", path="/companies$", status=429, headers={"Retry-After": "900"})
        run = hub.begin("test")
        assert hub.go_on(run) is False
        kept, _ = hub.runs.get(run.reconcile_id)
        assert kept.waiting_until is not None
        hub.codat.forget_requests()
        hub.clock.ahead += timedelta(minutes=14)
        assert hub.restarted().go_on(run) is False
        assert not hub.codat.requests()
        hub.clock.ahead += timedelta(minutes=2)
        assert hub.restarted().go_on(run) is True

    def test_a_run_survives_passing_failures_and_fails_after_lasting_ones(self, hub):
        hub.codat.portal("faults", path="/companies$", status=503, times=MOST_FAILURES - 1)
        run = hub.begin("test")
        tries = [hub.go_on(run) for _ in range(MOST_FAILURES - 1)]
        assert not any(tries)
        assert hub.go_on(run) is True
        assert hub.runs.get(run.reconcile_id)[0].status is ReconcileStatus.COMPLETE

        hub.codat.portal("faults", path="/companies$", status=503, times=MOST_FAILURES)
        run = hub.begin("test")
        for _ in range(MOST_FAILURES):
            hub.go_on(run)
        kept, _ = hub.runs.get(run.reconcile_id)
        assert kept.status is ReconcileStatus.FAILED
        assert "HTTP 503" in kept.error

    def test_one_company_that_codat_cannot_answer_for_does_not_fail_the_whole_run(self, hub):
        hub.codat.portal("faults", path="/[0-9a-f-]{36}/syncSettings", status=500, times=40)
        run = hub.begin("test")
        tries = [hub.go_on(run) for _ in range(4)]
        assert tries == [False, False, False, True]
        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.status, kept.counts["companies"]) == (ReconcileStatus.COMPLETE, 210)

    def test_only_one_run_is_under_way_and_a_second_request_joins_it(self, hub):
        run = hub.begin("first")
        assert hub.restarted().begin("second") == run
        hub.go_on(run, iter([True, False]).__next__)
        assert hub.begin("third").reconcile_id == run.reconcile_id
        hub.go_on(run)
        assert hub.begin("fourth").reconcile_id != run.reconcile_id
