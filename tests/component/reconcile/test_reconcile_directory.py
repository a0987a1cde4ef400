"""The hub's directory against Codat: deleted companies, and webhooks that never came."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.product_events.domain.read_event import ReadKey
from codat_hub.product_events.domain.read_state import KeyState, KnownRead, ReadState
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.storage.items import ItemKey
from tests.support.reconciling import first, of_companies
from tools.simulation.reconciling import PRODUCTS


def test_a_deleted_company_is_marked_and_its_products_are_absent(in_step):
    gone = first(in_step, "invoice-finance")
    del in_step.codat.companies[gone.id]

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended, drift.company_id) == (DriftKind.COMPANY_GONE, True, gone.id)
    assert in_step.companies.get(gone.id)[0].deleted_at is not None
    assignments = in_step.assignments.of_company(gone.id)
    statuses = {assignment.status for assignment in assignments}
    assert statuses == {AssignmentStatus.ABSENT}
    in_step.codat.forget_requests()
    assert of_companies(in_step, in_step.run()) == []
    assert ("GET", "/companies/*") not in in_step.codat.requests(), (
        "Codat is not asked for it again"
    )


def test_a_repair_that_meets_an_unreadable_item_leaves_it_and_the_run_goes_on(in_step):
    gone = first(in_step, "invoice-finance")
    del in_step.codat.companies[gone.id]
    in_step.table.spoil(ItemKey(f"COMPANY#{gone.id}", "PRODUCT#invoice-finance"), status="paused")

    run = in_step.run()

    assert run.status is ReconcileStatus.COMPLETE
    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended, drift.company_id) == (DriftKind.COMPANY_GONE, False, gone.id)


class TestWebhooksThatNeverCame:
    """The sandbox's data is old, and no webhook has reported any read to the hub."""

    @pytest.fixture
    def late(self, in_step):
        """The readable companies with the scheduled product, two days later."""
        in_step.clock.ahead += timedelta(days=2)
        return {
            company.id
            for company in in_step.codat.companies.values()
            if "invoice-finance" in company.products and in_step.companies.get(company.id)[0].linked
        }

    def asked(self, hub):
        return hub.codat.requests()[("GET", "/companies/*/dataStatus")]

    def missing(self, hub, run):
        return {
            drift.company_id: drift
            for drift in hub.drift(run)
            if drift.kind is DriftKind.WEBHOOK_MISSING
        }

    def test_unreadable_items_are_passed_over_and_the_rest_is_reported(self, in_step, late):
        entry, assignment, reads, other, *_ = sorted(late)
        keys = [
            ItemKey(f"COMPANY#{entry}", "DIRECTORY"),
            ItemKey(f"COMPANY#{assignment}", "PRODUCT#invoice-finance"),
            ItemKey(f"COMPANY#{reads}", "READS#invoice-finance"),
            ItemKey(
                f"COMPANY#{other}", "READS#cashflow-insights"
            ),  # all of a company's read states count
        ]
        for key in keys[2:]:
            in_step.table.put(key, {"last_read_at": "noon"}, 0)
        for key in keys[:2]:
            in_step.table.spoil(key, listed=["noon", "e"], status="paused")
        before = [in_step.table.items[key] for key in keys]
        run = in_step.run()
        assert run.status is ReconcileStatus.COMPLETE
        assert set(self.missing(in_step, run)) == late - {entry, assignment, reads, other}
        found = {drift.kind for drift in of_companies(in_step, run)}
        assert found == {DriftKind.WEBHOOK_MISSING}
        assert [in_step.table.items[key] for key in keys] == before
        assert self.asked(in_step) == len(late) - 4

    def test_companies_late_by_their_cadence_are_asked_about_and_no_others(self, in_step, late):
        run = in_step.run()

        assert self.asked(in_step) == len(late) > 0
        found = self.missing(in_step, run)
        assert found.keys() == late
        drift = next(iter(found.values()))
        assert drift.product == "invoice-finance"
        assert "invoices 20" in drift.detail
        assert drift.subject.startswith("since 20")
        assert not drift.mended

    def test_a_reported_read_is_not_missing_and_punctual_companies_are_not_asked_about(
        self, in_step, late
    ):
        reported, punctual, *_ = sorted(late)
        keys = [("invoices", "k"), ("payments", "k"), ("customers", "k")]
        for company_id, ago in ((reported, timedelta(days=2)), (punctual, timedelta(hours=1))):
            state = a_state(keys, in_step.clock() - ago)
            assert in_step.read_states.put(company_id, "invoice-finance", state, 0)

        run = in_step.run()

        assert self.asked(in_step) == len(late) - 1
        assert self.missing(in_step, run).keys() == late - {reported, punctual}

    def test_a_product_without_a_schedule_is_never_late(self, in_step, late):
        in_step.register(*(replace(product, schedule=None) for product in PRODUCTS))
        in_step.run()
        assert self.asked(in_step) == 0


def a_state(keys, at):
    read = KnownRead(at, "f", {"base": "e"}, at)
    known = {ReadKey(*key): KeyState("Complete", read.read_id, read.read_id) for key in keys}
    return ReadState(known, (read,), at)
