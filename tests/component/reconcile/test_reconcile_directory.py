"""The hub's directory against Codat: deleted companies, and webhooks that never came."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.product_events.domain.read_event import ReadKey
from codat_hub.product_events.domain.read_state import KeyState, KnownRead, ReadState
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.storage.items import SHARDS, ItemKey, company_key
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


def test_the_list_of_what_is_overdue_is_corrected_for_every_company(in_step):
    """What a removal left in it goes, and what it lacks comes, of an earlier version too."""
    name = "invoice-finance"
    held = [c.id for c in in_step.codat.companies.values() if name in c.products]
    linked = [company_id for company_id in held if in_step.companies.get(company_id)[0].linked]
    removed, lacking = linked[:2]
    late = in_step.clock() + timedelta(days=3)
    in_step.run()
    assert sorted(place[0] for place in in_step.read_states.overdue(name, late, 500)) == sorted(
        linked
    )
    _, version = in_step.read_states.get(lacking, name)
    assert in_step.table.put(company_key(lacking, f"READS#{name}"), {"reads": []}, version)
    del in_step.codat.companies[removed]
    in_step.run()  # marks the company as deleted
    in_step.run()
    listed = [place[0] for place in in_step.read_states.overdue(name, late, 500)]
    assert sorted(listed) == sorted({*linked} - {removed})


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
            version = in_step.table.get(key).version
            assert in_step.table.put(key, {"last_read_at": "noon"}, version)
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
            _, version = in_step.read_states.get(company_id, "invoice-finance")
            assert in_step.read_states.put(company_id, "invoice-finance", state, version)

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


class TestCompaniesThatVanishInNumbers:
    """Codat leaves companies out of its list for a night, and answers 404 for them."""

    @pytest.fixture
    def vanish(self, in_step):
        """Take companies away at Codat; what it returns brings them back."""

        def vanishing(count):
            kept = dict(list(in_step.codat.companies.items())[:count])
            for company_id in kept:
                del in_step.codat.companies[company_id]
            return lambda: in_step.codat.companies.update(kept)

        return vanishing

    def deleted(self, hub):
        ids = [company_id for shard in range(SHARDS) for company_id in hub.companies.ids(shard)]
        return sum(entry.deleted_at is not None for entry in hub.companies.get_many(ids).values())

    def assigned(self, hub):
        known = (hub.assignments.of_company(company_id) for company_id in hub.codat.companies)
        return sum(
            assignment.status is AssignmentStatus.ASSIGNED for of in known for assignment in of
        )

    def later(self, hub, hours):
        hub.clock.ahead += timedelta(hours=hours)
        return hub.run()

    def test_an_empty_list_deletes_nothing_however_often_it_comes(self, in_step, vanish):
        assigned, back = self.assigned(in_step), vanish(20)
        for _ in range(3):
            run = self.later(in_step, 13)
            assert run.status is ReconcileStatus.COMPLETE
            assert (run.drift[DriftKind.COMPANY_VANISHED], run.unsafe >= 20) == (20, True)
        confirmed = in_step.begin("ann", confirms=run.reconcile_id)
        assert in_step.go_on(confirmed)
        assert self.deleted(in_step) == 0
        back()
        assert self.assigned(in_step) == assigned
        assert DriftKind.COMPANY_VANISHED not in self.later(in_step, 1).drift

    def test_many_are_believed_by_a_run_twelve_hours_later(self, in_step, vanish):
        vanish(5)
        assert self.later(in_step, 1).drift[DriftKind.COMPANY_VANISHED] == 5
        assert self.later(in_step, 11).drift[DriftKind.COMPANY_VANISHED] == 5
        assert self.deleted(in_step) == 0
        assert self.later(in_step, 1).drift[DriftKind.COMPANY_GONE] == 5
        assert self.deleted(in_step) == 5

    def test_many_are_believed_at_once_if_a_person_confirms(self, in_step, vanish):
        vanish(5)
        found = self.later(in_step, 1)
        run = in_step.begin("ann", confirms=found.reconcile_id)
        assert in_step.go_on(run)
        assert self.deleted(in_step) == 5

    def test_four_are_believed_at_once(self, in_step, vanish):
        vanish(4)
        assert self.later(in_step, 1).drift[DriftKind.COMPANY_GONE] == 4
        assert self.deleted(in_step) == 4

    def test_the_404s_that_refreshes_got_meanwhile_count_in_the_same_number(self, in_step, vanish):
        vanish(4)
        refused = first(in_step, "invoice-finance")
        self.refuse(in_step, refused.id)
        run = self.later(in_step, 1)
        assert run.drift[DriftKind.COMPANY_VANISHED] == 4
        assert self.deleted(in_step) == 0
        assert run.counts["refused_as_unknown"] == 1

    def test_so_do_those_about_companies_that_only_the_list_leaves_out(self, in_step, vanish):
        vanish(4)
        refused = first(in_step, "invoice-finance")
        self.refuse(in_step, refused.id)
        listed = in_step.observer.companies

        def without_it(page):
            found = listed(page)
            kept = tuple(known for known in found.companies if known.company_id != refused.id)
            return replace(found, companies=kept)

        in_step.observer.companies = without_it
        assert self.later(in_step, 1).drift[DriftKind.COMPANY_VANISHED] == 4
        assert self.deleted(in_step) == 0

    def refuse(self, hub, company_id):
        """Mark the assignment as the worker does after a 404."""
        known, version = hub.assignments.get(company_id, "invoice-finance")
        assert hub.assignments.put(replace(known, status=AssignmentStatus.STALE), version)

    def test_a_company_that_is_listed_again_is_live_again_with_its_products(self, in_step, vanish):
        for company in in_step.codat.companies.values():
            for product in company.products:
                in_step.consent(company.id, product)
        assigned, back = self.assigned(in_step), vanish(4)
        self.later(in_step, 1)
        back()
        run = self.later(in_step, 1)
        assert run.drift[DriftKind.COMPANY_NOT_DELETED] == 4
        assert (self.deleted(in_step), self.assigned(in_step)) == (0, assigned)
        assert of_companies(in_step, self.later(in_step, 1)) == []
