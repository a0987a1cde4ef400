"""Companies and their products at Codat against the hub: what is repaired, what is listed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import DELETED, Connection
from codat_hub.companies.domain.consent import ConsentEntry
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from tests.support.reconciling import first, kinds, of_companies


def test_an_empty_directory_is_imported_whole(hub):
    run = hub.run()

    assert run.status is ReconcileStatus.COMPLETE
    assert kinds(hub, run)[DriftKind.COMPANY_UNKNOWN] == 20
    theirs = hub.codat.companies
    ours = hub.companies.get_many(theirs)
    assert {entry.name for entry in ours.values()} == {known.name for known in theirs.values()}
    for company_id, entry in ours.items():
        assert set(entry.products) == set(theirs[company_id].products)
        known = theirs[company_id].connections.values()
        statuses = {connection.id: connection.status for connection in known}
        found = {name: connection.status for name, connection in entry.connections.items()}
        assert found == statuses
    unknown = [drift for drift in hub.drift(run) if drift.kind is DriftKind.COMPANY_UNKNOWN]
    assert all(drift.mended for drift in unknown)


def test_products_without_consent_are_listed_and_never_removed(hub):
    run = hub.run()

    found = hub.drift(run)
    without = [drift for drift in found if drift.kind is DriftKind.PRODUCT_WITHOUT_CONSENT]
    assigned = sum(len(company.products) for company in hub.codat.companies.values())
    assert (len(without), run.drift[DriftKind.PRODUCT_WITHOUT_CONSENT]) == (assigned, assigned)
    assert run.unsafe >= assigned
    assert not any(drift.mended for drift in without)
    assert not [call for call in hub.codat.requests() if call[0] == "DELETE"]
    for company in hub.codat.companies.values():
        assert hub.assignments.of_company(company.id) == []


def test_a_second_run_of_an_unchanged_client_writes_nothing_about_companies(in_step):
    run = in_step.run()

    assert of_companies(in_step, run) == []
    assert {name for name in in_step.table.puts if name.startswith("COMPANY")} == set()
    calls = in_step.codat.requests()
    assert calls == {
        ("GET", "/profile/syncSettings"): 2,
        ("GET", "/webhooks"): 1,
        ("GET", "/companies"): 1,
        ("GET", "/companies/*/syncSettings"): 10,
    }
    assert run.counts["codat_calls"] == sum(calls.values())


def test_a_product_that_codat_has_and_a_consent_covers_is_counted_as_assigned(in_step):
    company = first(in_step, "lending")
    in_step.consent(company.id, "lending", AssignmentStatus.ABSENT)

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (DriftKind.PRODUCT_UNASSIGNED, True)
    assignment, _ = in_step.assignments.get(company.id, "lending")
    assert (assignment.status, assignment.changed_by) == (AssignmentStatus.ASSIGNED, "reconcile")


@pytest.mark.parametrize(
    "status",
    [
        AssignmentStatus.ABSENT,
        AssignmentStatus.STALE,
        AssignmentStatus.ADDING,
        AssignmentStatus.ASSIGNED,
    ],
)
def test_a_consent_that_lacks_a_data_type_covers_nothing(in_step, status):
    company = first(in_step, "invoice-finance")
    in_step.consent(company.id, "invoice-finance", status, data_types=("invoices", "payments"))

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (DriftKind.PRODUCT_WITHOUT_CONSENT, False)
    assert drift.detail.endswith("without one: customers")
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is status


def test_an_assignment_that_codat_does_not_have_is_left_to_a_person(in_step):
    company = first(in_step, "invoice-finance")
    company.products.remove("invoice-finance")

    run = in_step.run()

    found = {drift.kind: drift for drift in of_companies(in_step, run)}
    assert set(found) == {DriftKind.ASSIGNMENT_GONE, DriftKind.COMPANY_OUTDATED}
    assert not found[DriftKind.ASSIGNMENT_GONE].mended
    entry, _ = in_step.companies.get(company.id)
    assert "invoice-finance" not in entry.products
    assert "invoice-finance" in entry.removed_products, "its next read is a full load"


@pytest.mark.parametrize(
    ("status", "at_codat", "kind", "then"),
    [
        (AssignmentStatus.STALE, True, DriftKind.ASSIGNMENT_STALE, AssignmentStatus.ASSIGNED),
        (AssignmentStatus.STALE, False, DriftKind.ASSIGNMENT_STALE, AssignmentStatus.ABSENT),
        (AssignmentStatus.ADDING, True, DriftKind.INTENT_LEFT, AssignmentStatus.ASSIGNED),
        (AssignmentStatus.ADDING, False, DriftKind.INTENT_LEFT, AssignmentStatus.ABSENT),
        (AssignmentStatus.REMOVING, False, DriftKind.INTENT_LEFT, AssignmentStatus.ABSENT),
        (AssignmentStatus.REMOVING, True, DriftKind.INTENT_LEFT, AssignmentStatus.ABSENT),
    ],
)
def test_an_unfinished_or_doubtful_assignment_is_settled(in_step, status, at_codat, kind, then):
    company = first(in_step, "invoice-finance")
    in_step.consent(company.id, "invoice-finance", status)
    if not at_codat:
        company.products.remove("invoice-finance")

    run = in_step.run()

    (drift,) = [found for found in of_companies(in_step, run) if found.kind is kind]
    assert drift.mended
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is then
    asked_to_remove = status is AssignmentStatus.REMOVING and at_codat
    removals = in_step.codat.requests()[("DELETE", "/companies/*/products/invoice-finance")]
    assert removals == asked_to_remove
    assert "invoice-finance" not in company.products or then is AssignmentStatus.ASSIGNED


def test_a_copied_consent_that_the_ledger_knows_to_be_revoked_assigns_nothing(in_step):
    company = first(in_step, "lending")
    in_step.consent(company.id, "lending", AssignmentStatus.STALE)
    given = in_step.ledger.newest(company.id, "lending")
    revoked = replace(given.consent, revoked_at=in_step.clock())
    assert in_step.ledger.append(company.id, ConsentEntry(given.number + 1, revoked, "ann"))

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (DriftKind.ASSIGNMENT_STALE, False)
    assert in_step.assignments.get(company.id, "lending")[0].status is AssignmentStatus.STALE


@pytest.mark.parametrize("status", [AssignmentStatus.ADDING, AssignmentStatus.REMOVING])
def test_a_recent_intent_is_left_to_the_process_that_works_on_it(in_step, status):
    company = first(in_step, "invoice-finance")
    ago = in_step.clock() - timedelta(minutes=14)
    in_step.consent(company.id, "invoice-finance", status, at=ago)

    assert of_companies(in_step, in_step.run()) == []
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is status


def test_a_connection_that_was_cut_or_deleted_is_taken_over(in_step):
    linked = [
        company
        for company in in_step.codat.companies.values()
        if [known.status for known in company.connections.values()] == ["Linked"]
    ]
    cut, deleted = linked[:2]
    for connection in cut.connections.values():
        connection.status = "Unlinked"
    (gone,) = deleted.connections
    deleted.connections.clear()

    run = in_step.run()

    found = of_companies(in_step, run)
    assert [drift.kind for drift in found] == [DriftKind.CONNECTION_STATUS] * 2
    assert all(drift.mended for drift in found)
    assert not in_step.companies.get(cut.id)[0].linked
    entry, _ = in_step.companies.get(deleted.id)
    assert entry.connections[gone].status == DELETED
    assert gone in entry.removed_connections, "if it comes back, it gets a full load"


def test_news_of_a_later_event_is_not_undone_by_an_older_list(in_step):
    company = first(in_step, "lending")
    (connection_id, *_) = company.connections
    company.connections[connection_id].status = "Unlinked"
    in_step.clock.ahead -= timedelta(minutes=3)  # as if Codat's list were older than the directory

    run = in_step.run()

    assert of_companies(in_step, run) == []


def test_a_repair_that_loses_a_race_keeps_what_the_winner_wrote(in_step, monkeypatch):
    company = first(in_step, "lending")
    company.name = "Renamed at Codat"
    news = Connection(Stamp(in_step.clock() + timedelta(minutes=1), "e"), "Unlinked")
    put, winners = in_step.companies.put, [{"new": news}]

    def after_a_winner(entry, version):
        if winners:
            known, seen = in_step.companies.get(entry.company_id)
            connections = {**known.connections, **winners.pop()}
            assert put(replace(known, connections=connections), seen)
        return put(entry, version)

    monkeypatch.setattr(in_step.companies, "put", after_a_winner)

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (DriftKind.COMPANY_OUTDATED, True)
    entry, _ = in_step.companies.get(company.id)
    assert (entry.name, entry.connections["new"]) == ("Renamed at Codat", news)


def test_both_kinds_of_sync_settings_at_once_are_unsafe(in_step):
    run = in_step.run()

    found = {drift.kind: drift for drift in in_step.drift(run)}
    assert "10 companies have custom products" in found[DriftKind.BOTH_SYNC_SETTINGS].detail
    assert "payments every 1 h" in found[DriftKind.BOTH_SYNC_SETTINGS].detail
    in_step.codat.sandbox.world.state.client_settings.overrides_defaults = False
    found = {drift.kind for drift in in_step.drift(in_step.run())}
    assert DriftKind.BOTH_SYNC_SETTINGS not in found


def test_a_companys_own_settings_count_only_with_a_custom_product(in_step):
    for company in in_step.codat.companies.values():
        if company.override and "lending" in company.products:
            company.products.append("invoice-finance")
            in_step.consent(company.id, "invoice-finance")

    run = in_step.run()

    active = DriftKind.OVERRIDE_ACTIVE
    found = {drift.company_id for drift in in_step.drift(run) if drift.kind is active}
    companies = in_step.codat.companies.values()
    assert found == {company.id for company in companies if company.override}


def test_each_unregistered_product_is_reported_once(in_step):
    for company in list(in_step.codat.companies.values())[:7]:
        company.products.append("payables")

    run = in_step.run()

    unregistered = DriftKind.PRODUCT_UNREGISTERED
    (drift,) = [found for found in in_step.drift(run) if found.kind is unregistered]
    assert (drift.product, drift.detail) == ("payables", "7 companies have it at Codat")
