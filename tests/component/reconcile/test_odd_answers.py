"""One company, consumer or setting that Codat answers oddly about costs itself and not the run."""

from base64 import b64encode
from datetime import timedelta

import pytest

from codat_hub.codat.errors import NotUnderstood
from codat_hub.companies.adapters.codat_companies import CodatCompanies
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.storage.items import ItemKey
from tests.support.reconciling import first, kinds, of_companies
from tools.simulation.reconciling import KEY, Codats, Hub, OddCompanies


def the_list(hub, change, path="/companies", **fault):
    """Let Codat answer the next question for a list with a changed answer."""
    key = b64encode(KEY.encode()).decode()
    content = hub.codat.http.get(path, headers={"Authorization": f"Basic {key}"}).json()
    change(content)
    hub.codat.portal("faults", method="GET", path=f"{path}$", status=200, body=content, **fault)


def all_companies(change):
    def changed(content):
        for company in content["results"]:
            change(company)

    return changed


def state_of(hub):
    return {
        company_id: hub.companies.get(company_id)[0].connections
        for company_id in hub.codat.companies
    }


@pytest.mark.parametrize("nothing", [None, "missing", [None]])
def test_connections_that_are_not_told_are_not_deleted(in_step, nothing):
    before = state_of(in_step)

    def untold(company):
        company["dataConnections"] = nothing
        if nothing == "missing":
            del company["dataConnections"]

    the_list(in_step, all_companies(untold))
    run = in_step.run()

    assert run.status is ReconcileStatus.COMPLETE
    assert state_of(in_step) == before
    if nothing == [None]:
        assert kinds(in_step, run)[DriftKind.ANSWER_UNREADABLE] == 20
    else:
        assert run.counts["not_told"] == 20


@pytest.mark.parametrize("field", ["status", "integrationKey", "sourceType"])
def test_a_connections_field_that_is_null_stays_as_it_was(in_step, field):
    before = state_of(in_step)

    def without(company):
        for connection in company["dataConnections"]:
            connection[field] = None

    the_list(in_step, all_companies(without))
    in_step.run()
    assert state_of(in_step) == before


def test_unreadable_companies_are_listed_by_name_and_all_others_are_used(in_step):
    odd = {}

    def change(content):
        first, second, third, *others = content["results"]
        first["tags"] = {"k": 5}
        second["id"] = "a/b"
        third["dataConnections"] = [{"id": "d", "status": 7}]
        odd.update(first=first, second=second, third=third)
        for company in others:
            company["name"] = "Renamed"

    the_list(in_step, change)
    run = in_step.run()

    assert run.status is ReconcileStatus.COMPLETE
    assert run.counts["companies"] == 20
    unreadable = [
        (drift.company_id, drift.subject)
        for drift in in_step.drift(run)
        if drift.kind is DriftKind.ANSWER_UNREADABLE
    ]
    assert unreadable == [
        (odd["first"]["id"], odd["first"]["name"]),
        (None, odd["second"]["name"]),
        (odd["third"]["id"], odd["third"]["name"]),
    ]
    assert run.drift[DriftKind.COMPANY_OUTDATED] == 17
    assert DriftKind.COMPANY_GONE not in run.drift


def test_an_unreadable_consumer_leaves_nothing_missing_and_the_run_goes_on(in_step):
    consumers = [
        {"id": "w1", "url": "https://[odd"},
        {"id": "w2", "url": "https://x", "eventTypes": None},
    ]
    the_list(in_step, lambda content: content.update(results=consumers), "/webhooks")
    run = in_step.run()
    found = kinds(in_step, run)
    assert run.status is ReconcileStatus.COMPLETE
    assert found[DriftKind.ANSWER_UNREADABLE] == 2
    assert DriftKind.CONSUMER_MISSING not in found
    assert DriftKind.SECRET_UNUSED not in found


def test_one_odd_setting_of_the_client_is_listed_and_the_others_count(in_step):
    def change(content):
        content["settings"][0]["syncSchedule"] = "often"

    the_list(in_step, change, "/profile/syncSettings", times=2)
    run = in_step.run()
    assert run.status is ReconcileStatus.COMPLETE
    assert kinds(in_step, run)[DriftKind.ANSWER_UNREADABLE] == 1
    assert kinds(in_step, run)[DriftKind.BOTH_SYNC_SETTINGS] == 1


@pytest.mark.parametrize("status", [400, 402, 403])
def test_a_refusal_about_one_company_costs_itself_and_the_run_is_complete(in_step, status):
    refused = first(in_step, "invoice-finance").id
    path = f"/companies/{refused}/syncSettings"
    body = {"error": "not in your plan", "correlationId": "x1"}
    in_step.codat.portal("faults", path=path, status=status, body=body)

    run = in_step.run()

    assert run.status is ReconcileStatus.COMPLETE
    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.company_id) == (DriftKind.NOT_CHECKED, refused)
    assert drift.detail == f"sync settings: HTTP {status}, not in your plan, correlation id x1"


def test_an_entry_whose_id_is_no_path_segment_costs_itself(in_step):
    (entry, version) = in_step.companies.get("a/b")
    assert in_step.companies.put(entry, version)
    run = in_step.run()
    assert run.status is ReconcileStatus.COMPLETE
    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.company_id) == (DriftKind.NOT_CHECKED, "a/b")
    assert in_step.companies.get("a/b")[0].deleted_at is None


def test_a_company_that_answers_oddly_is_not_gone(in_step):
    left_out = next(iter(in_step.codat.companies))
    the_list(in_step, lambda content: content["results"].pop(0))
    path = f"/companies/{left_out}$"
    in_step.codat.portal("faults", path=path, status=200, body={"id": left_out, "name": 7})
    run = in_step.run()
    assert run.status is ReconcileStatus.COMPLETE
    assert DriftKind.COMPANY_GONE not in run.drift


def test_a_note_with_a_kind_of_a_later_version_can_be_read(in_step):
    run = in_step.run()
    rows = [{"kind": "of a later version", "detail": ""}, {"kind": "quota_low", "detail": "few"}]
    key = ItemKey(f"RECONCILE#{run.reconcile_id}", f"DRIFT#{run.step:06}")
    assert in_step.table.put(key, {"rows": rows}, 0)
    found = in_step.runs.noted(run)
    assert [drift.kind for drift in found] == [DriftKind.QUOTA_LOW]


def test_an_unreadable_company_that_may_be_the_created_one_is_not_passed_over(in_step):
    newest = max(in_step.codat.companies.values(), key=lambda company: company.created)

    def odd(content):
        (company,) = [known for known in content["results"] if known["id"] == newest.id]
        company["tags"] = {"k": 5}
        content["results"] = [company]

    codat = CodatCompanies(in_step.codat.client)
    the_list(in_step, odd)
    with pytest.raises(NotUnderstood):
        codat.created_since(newest.name, newest.created)
    the_list(in_step, odd)
    assert codat.created_since("Another", newest.created) == []


def test_of_a_thousand_companies_the_odd_ones_are_listed_and_all_others_are_right():
    hub = Hub(Codats(companies=1000))
    hub.register()
    hub.assign_everything()
    hub.run()
    hub.clock.ahead += timedelta(days=2)
    odd = OddCompanies(hub)
    assert len(odd.unreadable) == len(odd.refused) == 5
    run = hub.run()
    assert odd.wrong(hub, run) == []
