"""Whole runs in one process, and the state of Codat and the hub after them."""

import random

import pytest

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.errors import Invalid
from tests.support.migration.world import (
    HUB_URL,
    OLD_URL,
    OPERATOR,
    PRODUCTS,
    in_the_middle,
)

READ = "read.completed"


def schedules(settings):
    return {setting["dataType"]: setting["syncSchedule"] for setting in settings["settings"]}


def without_schedules(settings):
    return [
        {k: v for k, v in setting.items() if k != "syncSchedule"}
        for setting in settings["settings"]
    ]


@pytest.mark.parametrize("mode", ["api", "portal"])
def test_all_companies_end_at_the_target_and_nothing_else_is_changed(worlds, mode):
    world = worlds(companies=30)
    before = world.codat.client_settings()
    overrides = {c: world.codat.company_settings(c) for c in world.companies}
    had = {company.id: set(company.products) for company in world.state.companies.values()}
    run = world.migrate(mode=mode)
    assert (run.status, run.error) == ("complete", None)

    after = world.codat.client_settings()
    assert set(schedules(after).values()) == {0}
    assert without_schedules(after) == without_schedules(before)
    for company, settings in overrides.items():
        now = world.codat.company_settings(company)
        if settings["overridesDefaults"]:
            assert set(schedules(now).values()) == {0}
            assert without_schedules(now) == without_schedules(settings)
        else:
            assert now["overridesDefaults"] is False
    for company in world.state.companies.values():
        assert set(company.products) == had[company.id] | set(PRODUCTS)
        for product in PRODUCTS:
            assignment, _ = world.assignments.get(company.id, product)
            assert assignment.status is AssignmentStatus.ASSIGNED
            assert assignment.consent is not None

    consumers = world.codat.consumers()
    old = [consumer for consumer in consumers if consumer.url == OLD_URL]
    assert [consumer.disabled for consumer in old] == ([True, True] if mode == "portal" else [])
    new = {
        consumer.url.partition("?")[0]: consumer for consumer in consumers if consumer not in old
    }
    assert {url: one.event_types for url, one in new.items() if url.startswith(HUB_URL)} == {
        f"{HUB_URL}/invoice-finance": (f"invoice-finance.{READ}",),
        f"{HUB_URL}/cashflow-insights": (f"cashflow-insights.{READ}",),
        f"{HUB_URL}/standard": (READ,),
    }
    assert all(
        run.migration_id in consumer.url and not consumer.disabled for consumer in new.values()
    )
    assert set(world.secrets.accepted) == {"invoice-finance", "cashflow-insights", "standard"}


def test_a_successor_carries_the_other_types_and_the_tags_of_an_old_consumer(world):
    carrying = next(
        consumer
        for consumer in world.sandbox.office.state.consumers.values()
        if consumer.url == OLD_URL
    )
    carrying.company_tags = ["region:uk"]
    others = {event_type for event_type in carrying.event_types if not event_type.startswith(READ)}
    run = world.migrate()
    (successor,) = [
        consumer for consumer in world.codat.consumers() if consumer.url.startswith(f"{OLD_URL}?")
    ]
    assert set(successor.event_types) == others
    assert successor.tags == ("region:uk",)
    assert any(f"{carrying.id} also gets" in warning for warning in run.plan["warnings"])


def test_a_dry_run_changes_nothing_and_says_what_a_run_would_change(world):
    before = world.codat_now()
    run = world.migrate(dry_run=True)
    assert run.status == "planned"
    assert world.codat_now() == before
    assert world.writes() == []
    plan = run.plan
    assert [step["step"] for step in plan["steps"]] == [
        "disable_client_sync",
        "wait_for_quiet",
        "disable_old_webhooks",
        "configure_new_webhooks",
        "add_products",
    ]
    changes = {step["step"]: step["changes"] for step in plan["steps"]}
    assert changes == {
        "disable_client_sync": 2,
        "wait_for_quiet": 0,
        "disable_old_webhooks": 2,
        "configure_new_webhooks": 4,
        "add_products": 3 + 4,
    }
    assert plan["wait_seconds"] == 3600
    assert any("lending is a standard product" in warning for warning in plan["warnings"])


def test_a_plan_counts_the_calls_that_the_run_makes(worlds):
    world = worlds(companies=30)
    run = world.migrate()
    made = [
        request
        for request in world.sandbox.requests.after(0)
        if "codat-hub-probe" not in request["path"]
    ]
    # The plan counts some checks around changes that the run does not need.
    assert abs(run.plan["calls"] - len(made)) <= 0.1 * len(made)


def test_the_first_wait_is_an_hour_or_the_most_frequent_schedule(worlds):
    assert 3600 in run_to_end(worlds()).waited
    rare = worlds()
    for setting in rare.state.client_settings.settings:
        setting.sync_schedule = setting.sync_schedule and max(3, setting.sync_schedule)
    for company in rare.state.companies.values():
        company.override = None
    assert 3 * 3600 in run_to_end(rare).waited


def run_to_end(world):
    assert world.migrate().status == "complete"
    return world


def test_it_waits_until_no_old_read_is_running(world):
    company = next(
        company
        for company in world.state.companies.values()
        if any(c.linked for c in company.connections.values())
    )
    world.portal_call("/reads/start", {"companyId": company.id, "productIdentifier": "lending"})
    looked = 0

    def end_the_read(call, payload):
        nonlocal looked
        if payload["step"] == "judge_quiet":
            looked += 1
            if looked == 3:
                world.portal_call("/reads/complete", {"companyId": company.id})
        return call(payload)

    world.around = end_the_read
    assert world.migrate().status == "complete"
    assert world.waited.count(900) == 3


def test_at_the_limit_it_lists_the_stragglers_and_goes_on_or_asks(worlds):
    for stragglers, approvals in (("go_on", 1), ("ask", 2)):
        world = worlds()
        world.portal_call(
            "/reads/start", {"companyId": world.companies[0], "productIdentifier": "lending"}
        )
        run = world.migrate(stragglers=stragglers)
        assert run.status == "complete"
        assert any(world.companies[0] in note for note in run.notes)
        assert world.pauses.count("approval") == approvals
        assert sum(world.waited) >= 14 * 3600


def test_companies_without_consent_are_skipped_and_named(world):
    refusing = world.companies[1]
    world.consent(refusing, "invoice-finance", revoked=True)
    run = world.migrate()
    assert run.status == "complete"
    assert "invoice-finance" not in world.state.companies[refusing].products
    assert any(refusing in note and "no consent" in note for note in run.notes)
    assert any("the run skips 1 company" in warning for warning in run.plan["warnings"])


@pytest.mark.parametrize(
    "step", ["survey", "snapshot_companies", "disable_company_sync", "add_products"]
)
def test_a_company_deleted_in_the_middle_is_passed_over(worlds, step):
    world = worlds(companies=8)
    gone = world.companies[5]  # one with settings of its own
    in_the_middle(world, step, lambda: world.state.companies.pop(gone))
    run = world.migrate()
    assert run.status == "complete"
    assert all(set(PRODUCTS) <= set(company.products) for company in world.state.companies.values())


def test_a_consent_withdrawn_in_the_middle_is_respected(world):
    company = world.companies[3]
    in_the_middle(
        world, "add_products", lambda: world.consent(company, "cashflow-insights", revoked=True)
    )
    run = world.migrate()
    assert run.status == "complete"
    assert "cashflow-insights" not in world.state.companies[company].products
    assert any(f"{company}: no consent to cashflow-insights" in note for note in run.notes)


def test_a_company_unlinked_in_the_middle_is_not_waited_for(world):
    world.reads.silent = set()
    company = world.state.companies[world.companies[0]]

    def unlink():
        for connection in company.connections.values():
            connection.status, connection.linked = "Unlinked", None

    in_the_middle(world, "snapshot", unlink)
    assert world.migrate().status == "complete"


def test_a_company_that_appears_in_the_middle_is_included(world):
    def appear():
        with_body = {"name": "Late Ltd"}
        made = world.codat_client.create_company(**with_body).value
        for product in PRODUCTS:
            world.consent(made.id, product)

    in_the_middle(world, "add_products", appear)
    run = world.migrate()
    assert run.status == "complete"
    (late,) = [company for company in world.state.companies.values() if company.name == "Late Ltd"]
    assert set(late.products) == set(PRODUCTS)


def test_reads_that_do_not_come_are_listed_after_14_hours_and_nothing_is_rolled_back(world):
    world.reads.silent = {"cashflow-insights"}
    run = world.migrate()
    assert run.status == "complete"
    assert any("no read of cashflow-insights" in note for note in run.notes)
    assert sum(world.waited) >= 14 * 3600


def test_the_14_hours_for_reads_begin_when_all_products_are_added(world):
    """For a large client adding takes longer than that; its last companies are waited for too."""
    world.reads.silent = {"cashflow-insights"}
    in_the_middle(world, "judge_products", lambda: world.pass_time(20 * 3600))
    in_the_middle(world, "judge_reads", world.reads.silent.clear)
    run = world.migrate()
    assert (run.status, run.notes) == ("complete", ())


class TestSubsets:
    def test_a_subset_switches_its_own_companies_off_and_leaves_the_client_on(self, worlds):
        world = worlds(companies=8)
        chosen, others = world.companies[:3], world.companies[3:]
        before = {c: world.codat.company_settings(c) for c in others}
        client = world.codat.client_settings()
        run = world.migrate(company_ids=tuple(chosen))
        assert run.status == "complete"
        assert world.codat.client_settings() == client
        assert {c: world.codat.company_settings(c) for c in others} == before
        for company in chosen:
            settings = world.codat.company_settings(company)
            assert settings["overridesDefaults"]
            assert set(schedules(settings).values()) == {0}
        assert [
            consumer.disabled for consumer in world.codat.consumers() if consumer.url == OLD_URL
        ] == [False] * 2
        assert any("left behind" in warning for warning in run.plan["warnings"])

    def test_the_run_that_leaves_no_company_behind_switches_the_client_off(self, worlds):
        world = worlds(companies=8)
        first, rest = world.companies[:3], world.companies[3:]
        world.migrate(company_ids=tuple(first))
        run = world.migrate(company_ids=tuple(rest))
        assert (run.status, run.everyone) == ("complete", True)
        assert set(schedules(world.codat.client_settings()).values()) == {0}
        assert not [consumer for consumer in world.codat.consumers() if consumer.url == OLD_URL]

    def test_tags_choose_companies(self, worlds):
        world = worlds(companies=12)
        had = {company.id: set(company.products) for company in world.state.companies.values()}
        run = world.migrate(tags={"region": "uk"})
        assert run.status == "complete"
        for company in world.state.companies.values():
            added = set(PRODUCTS) if company.tags["region"] == "uk" else set()
            assert set(company.products) == had[company.id] | added

    def test_a_subset_is_rolled_back_to_what_it_was(self, worlds):
        world = worlds(companies=8)
        before = world.codat_now()
        run = world.migrate(company_ids=tuple(world.companies[:3]))
        world.migrations.rollback(run.migration_id, OPERATOR)
        assert world.go().status == "rolled_back"
        assert world.codat_now() == before

    def test_ids_that_codat_does_not_know_are_refused(self, world):
        run = world.migrate(company_ids=(world.companies[0], "nobody"))
        assert run.status == "failed"
        assert "1 of the company ids are unknown" in run.error


class TestRefusals:
    def test_a_client_that_does_not_show_which_value_means_off_is_refused(self, worlds):
        world = worlds()
        world.state.client_settings.settings = [
            setting for setting in world.state.client_settings.settings if setting.sync_schedule
        ]
        before = world.codat_now()
        run = world.migrate()
        assert run.status == "failed"
        assert "set one data type to none in the portal" in run.error.lower()
        assert world.codat_now() == before
        assert world.migrate(off_value=0).status == "complete"

    def test_too_many_consumers_are_refused(self, world):
        for number in range(48):
            world.codat.create_consumer(
                f"https://x.example/{number}", ["company.created"], [], f"key-{number}"
            )
        assert len(world.codat.consumers()) == 50
        run = world.migrate(mode="portal")
        assert run.status == "failed"
        assert "Codat allows 50 webhook consumers; there would be 54" in run.error

    def test_product_endpoints_that_are_not_enabled_refuse_the_plan(self, world):
        refuse = {"path": "codat-hub-probe", "status": 403, "times": 9}
        world.portal_call("/faults", refuse)
        run = world.migrate()
        assert "not enabled for this client" in run.error

    def test_products_that_are_not_registered_are_refused(self, world):
        with pytest.raises(Invalid) as raised:
            world.start(products=("invoice-finance", "nothing"))
        (problem,) = raised.value.problems
        assert (problem.field, problem.value) == ("products", "nothing")
        assert "invoice-finance" in problem.allowed

    def test_a_dry_run_reports_refusals_without_failing(self, worlds):
        world = worlds()
        world.state.client_settings.settings = []
        run = world.migrate(dry_run=True)
        assert run.status == "planned"
        assert "syncSchedule" in run.plan["refusals"][0]


def test_an_invocation_that_runs_out_of_time_goes_on_in_the_next(worlds):
    """At a slow pace a chunk takes longer than one function may run."""
    world = worlds(companies=12)
    before = world.codat_now()
    drawn = random.Random(7)
    world.remaining = lambda: 0 if drawn.random() < 0.2 else 240_000
    run = world.migrate()
    assert run.status == "complete"
    assert "AddProductsChunkPause" in world.visited
    assert all(set(PRODUCTS) <= set(company.products) for company in world.state.companies.values())
    world.migrations.rollback(run.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before
