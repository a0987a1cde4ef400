"""Changes by others at Codat, in the Portal and in the hub, during a migration and after it."""

from dataclasses import replace

import pytest

from codat_hub.codat.errors import OutcomeUnknown, Permanent
from codat_hub.errors import Conflict
from codat_hub.migration.domain.run import MigrationStatus
from tests.support.migration.asl_walker import Failed
from tests.support.migration.world import (
    OLD_URL,
    OPERATOR,
    PRODUCTS,
    change_after_first_approval,
    in_the_middle,
)


class Calls:
    """Codat with some calls replaced."""

    def __init__(self, inner, **replaced):
        self.inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def linked(world):
    return next(
        company
        for company in world.state.companies.values()
        if any(connection.linked for connection in company.connections.values())
    )


def test_a_read_that_began_before_the_last_company_was_switched_off_is_waited_for(world):
    company, looked = linked(world), []

    def around(call, payload):
        if payload["step"] == "disable_company_sync" and not looked:
            world.pass_time(60)
            world.portal_call(
                "/reads/start", {"companyId": company.id, "productIdentifier": "lending"}
            )
            world.pass_time(60)
        if payload["step"] == "judge_quiet":
            looked.append(payload)
            if len(looked) == 3:
                world.portal_call("/reads/complete", {"companyId": company.id})
        return call(payload)

    world.around = around
    assert world.migrate().status == "complete"
    assert len(looked) == 4


class TestLateCompanies:
    @pytest.mark.parametrize("agrees", [True, False])
    def test_the_last_subset_run_takes_in_a_company_that_came_after_its_snapshot(
        self, world, agrees
    ):
        earlier, last = tuple(world.companies[:3]), tuple(world.companies[3:])
        assert world.migrate(company_ids=earlier).status == "complete"
        late = []

        def appear():
            late.append(world.codat_client.create_company("Late Ltd").value.id)
            if agrees:
                world.consent(late[0], "lending")

        in_the_middle(world, "disable_client_sync", appear)
        run = world.migrate(company_ids=last)
        assert (run.status, run.everyone) == ("complete", True)
        assert world.state.companies[late[0]].products == (["lending"] if agrees else [])
        assert f"appeared during the run and taken in: {late[0]}" in run.notes
        assert any(f"{late[0]}: no consent" in note for note in run.notes)
        world.migrations.rollback(run.migration_id, OPERATOR)
        assert world.go().status == "rolled_back"
        assert not world.state.companies[late[0]].products


class TestClientSettings:
    """Others change the client's settings; the report names it, whichever way the run goes."""

    def change(self, world):
        world.state.client_settings.settings[0].sync_schedule = 12
        return world.state.client_settings.settings[0].data_type

    def test_a_change_during_the_run_is_left_and_noted(self, world):
        in_the_middle(world, "judge_products", lambda: self.change(world))
        run = world.migrate()
        assert run.status == "complete"
        (note,) = [note for note in run.notes if "changed by others" in note]
        assert "syncSchedule 12" in note
        assert world.state.client_settings.settings[0].sync_schedule == 12

    @pytest.mark.parametrize("forced", [True, False])
    def test_a_change_that_the_undo_overwrites_is_noted(self, world, forced):
        before = world.codat_now()
        if forced:
            world.migrate()
            self.change(world)
            world.migrations.rollback(world.migration_id, OPERATOR, forced=True)
            run = world.go()
        else:

            def around(call, payload):
                if payload["step"] == "begin_products":
                    self.change(world)
                    raise Failed("Permanent", "refused")
                return call(payload)

            world.around = around
            run = world.migrate()
        assert (run.status, world.codat_now()) == ("rolled_back", before)
        (note,) = [note for note in run.notes if "overwritten" in note]
        assert "syncSchedule 12" in note

    def test_nobody_changed_anything(self, world):
        world.migrate()
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert not [note for note in world.go().notes if "changed" in note or "overw" in note]


class TestConsents:
    def test_a_consent_withdrawn_during_the_call_takes_the_product_away_again(self, world):
        company = world.companies[3]
        inner = world.codat

        def add_product(company_id, product):
            if (company_id, product) == (company, "cashflow-insights"):
                world.consent(company, "cashflow-insights", revoked=True)
            inner.add_product(company_id, product)

        world.codat = Calls(inner, add_product=add_product)
        run = world.migrate()
        assert run.status == "complete"
        assert "cashflow-insights" not in world.state.companies[company].products
        assert world.assignments.get(company, "cashflow-insights")[0].status == "absent"
        assert any(f"{company}: no consent to cashflow-insights" in note for note in run.notes)

    @pytest.mark.parametrize("arrives", [True, False])
    def test_a_consent_withdrawn_while_the_answer_is_lost_takes_the_product_away_again(
        self, world, arrives
    ):
        company, tries = world.companies[3], []
        inner = world.codat

        def add_product(company_id, product):
            if (company_id, product) == (company, "cashflow-insights"):
                tries.append(product)
                world.consent(company, "cashflow-insights", revoked=True)
                if arrives:
                    inner.add_product(company_id, product)
                raise OutcomeUnknown("died")
            inner.add_product(company_id, product)

        world.codat = Calls(inner, add_product=add_product)
        run = world.migrate()
        assert (run.status, len(tries)) == ("complete", 1)
        assert "cashflow-insights" not in world.state.companies[company].products
        assert any(f"{company}: no consent to cashflow-insights" in note for note in run.notes)
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert world.go().status == "rolled_back"

    def test_the_plan_says_that_nothing_reads_the_companies_that_are_skipped(self, world):
        world.consent(world.companies[1], "cashflow-insights", revoked=True)
        run = world.migrate(dry_run=True)
        assert any("nothing reads them any more" in warning for warning in run.plan["warnings"])


def test_a_product_that_is_there_after_a_lost_answer_is_not_asked_for_again(world):
    """Codat does not document what a second PUT answers (docs/codat.md, C57)."""
    inner, added = world.codat, set()

    def add_product(company_id, product):
        if (company_id, product) in added:
            raise Permanent("it has this product")
        added.add((company_id, product))
        inner.add_product(company_id, product)
        if len(added) == 2:
            raise OutcomeUnknown("died")

    world.codat = Calls(inner, add_product=add_product)
    assert world.migrate().status == "complete"


def test_a_subset_does_not_include_a_company_that_comes_late(worlds):
    """The client's level stays on and would read it besides the product."""
    world = worlds(companies=8)

    def appear():
        made = world.codat_client.create_company("Late Ltd").value
        world.state.companies[made.id].tags["region"] = "uk"
        for product in PRODUCTS:
            world.consent(made.id, product)

    in_the_middle(world, "add_products", appear)
    run = world.migrate(tags={"region": "uk"})
    assert (run.status, run.everyone) == ("complete", False)
    (late,) = [company for company in world.state.companies.values() if company.name == "Late Ltd"]
    assert late.products == []
    assert world.migrate(tags={"region": "uk"}, dry_run=True).plan["companies"] > 1


class TestOldConsumers:
    def test_the_run_asks_again_for_the_consumers_that_are_left(self, world):
        asked = []

        def operator(waiting_for):
            if waiting_for == "webhooks_disabled":
                lines = [line for line in world.run.pause.instructions if "http" in line]
                asked.append([line.split()[0] for line in lines])
                world.sandbox.office.state.consumers[asked[-1][0]].disabled = True
                with pytest.raises(Conflict) as refused:
                    world.migrations.confirm_webhooks_disabled(world.migration_id)
                assert [number in str(refused.value) for number in asked[-1]] == [False, True]
                world.sandbox.office.state.consumers[asked[-1][1]].disabled = True
                world.migrations.confirm_webhooks_disabled(world.migration_id)
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate(mode="portal").status == "complete"
        assert len(asked) == 1

    def test_a_consumer_that_was_changed_since_the_snapshot_is_not_deleted(self, world):
        def change():
            for consumer in world.sandbox.office.state.consumers.values():
                if consumer.url == OLD_URL:
                    consumer.event_types = [*consumer.event_types, "connection.deleted"]

        in_the_middle(world, "disable_old_webhooks", change)
        run = world.migrate(mode="api")
        assert run.status == "rolled_back"
        assert "changed since the snapshot" in run.error
        assert sum(consumer.url == OLD_URL for consumer in world.codat.consumers()) == 2

    def test_a_consumer_that_was_deleted_by_hand_is_made_again_by_the_rollback(self, world):
        before = world.codat_now()

        def operator(waiting_for):
            if waiting_for == "webhooks_disabled":
                instructions = "\n".join(world.run.pause.instructions)
                consumers = world.sandbox.office.state.consumers
                for consumer_id in [number for number in consumers if number in instructions]:
                    del consumers[consumer_id]
                world.migrations.confirm_webhooks_disabled(world.migration_id)
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate(mode="portal").status == "complete"
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert world.go().status == "rolled_back"
        assert world.codat_now() == before

    def test_a_rollback_that_was_overtaken_makes_no_consumer_again(self, world):
        """Two rollbacks that both create it would leave it twice."""
        world.migrate(mode="api")
        world.ledger.change(
            world.migration_id, lambda run: replace(run, status=MigrationStatus.ROLLING_BACK)
        )
        epoch = world.ledger.raise_epoch(world.migration_id)
        world.ledger.raise_epoch(world.migration_id)
        payload = {"contract": 1, "step": "disable_old_webhooks", "direction": "compensate"}
        with pytest.raises(Failed, match="Superseded"):
            world.step(payload | {"migration_id": world.migration_id, "epoch": epoch})
        assert not [consumer for consumer in world.codat.consumers() if consumer.url == OLD_URL]


def test_the_question_about_stragglers_names_them(world):
    shown = []

    def operator(waiting_for):
        shown.append(world.run.pause.instructions)
        world.willing(waiting_for)

    world.operator = operator
    company = linked(world)
    world.portal_call("/reads/start", {"companyId": company.id, "productIdentifier": "lending"})
    assert world.migrate(stragglers="ask").status == "complete"
    plan, stragglers = [lines for lines in shown if "approve" in " ".join(lines)]
    assert "plan" in plan[0]
    assert any(company.id in line for line in stragglers)
    assert not any("plan" in line for line in stragglers)


class TestRollback:
    def test_a_companys_change_that_is_overwritten_is_named(self, worlds):
        world = worlds(companies=8)
        before = world.codat_now()
        run = world.migrate(company_ids=tuple(world.companies[:3]))
        company = world.state.companies[world.companies[1]]
        company.override.settings[0].sync_schedule = 12
        world.migrations.rollback(run.migration_id, OPERATOR)
        run = world.go()
        assert run.status == "rolled_back"
        assert world.codat_now() == before
        (note,) = [note for note in run.notes if company.id in note]
        assert "syncSchedule 12" in note

    def test_a_rollback_of_a_subset_stops_if_the_clients_level_was_changed(self, worlds):
        """Its companies would go back to a level that reads nothing."""
        world = worlds(companies=8)
        run = world.migrate(company_ids=tuple(world.companies[:3]))
        for setting in world.state.client_settings.settings:
            setting.sync_schedule = 0
        world.migrations.rollback(run.migration_id, OPERATOR)
        run = world.go()
        assert run.status == "complete"
        assert "the client's settings" in run.error

    def test_a_rollback_that_is_repeated_keeps_the_first_cause(self, world):
        def around(call, payload):
            what = (payload["step"], payload["direction"])
            if what == ("judge_products", "apply"):
                raise Failed("Permanent", "the first cause")
            if what == ("configure_new_webhooks", "compensate"):
                raise Failed("Permanent", "x" * 900)
            return call(payload)

        world.around = around
        assert world.migrate().status == "rollback_incomplete"
        for _ in range(3):
            world.migrations.rollback(world.migration_id, OPERATOR)
            run = world.go()
            assert run.status == "rollback_incomplete"
            assert run.error.startswith("Permanent: the first cause; then Permanent: xxx")
            assert len(run.error) < 2000
        world.around = lambda call, payload: call(payload)
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert world.go().error.startswith("Permanent: the first cause")


def test_companies_of_a_run_before_a_hundred_dry_runs_count_as_migrated(worlds):
    world = worlds(companies=8)
    first, rest = world.companies[:3], world.companies[3:]
    run = world.migrate(company_ids=tuple(first))
    for number in range(100):
        world.ledger.create(
            replace(
                run,
                migration_id=f"m-dry-{number}",
                request=replace(run.request, dry_run=True),
                status=MigrationStatus.PLANNED,
            )
        )
    world.pass_time(60)
    assert world.migrate(company_ids=tuple(rest)).everyone


def test_credentials_in_a_consumers_url_are_never_shown(worlds):
    world = worlds()
    for consumer in world.sandbox.office.state.consumers.values():
        consumer.url = "https://user:hunter2@old.example/hook?code=hunter3"
    shown = []

    def operator(waiting_for):
        shown.extend(world.run.pause.instructions)
        world.willing(waiting_for)

    world.operator = operator
    for mode in ("portal", "api"):
        assert world.migrate(mode=mode).status == "complete"
        world.migrations.rollback(world.migration_id, OPERATOR)
        run = world.go()
        shown += [*run.notes, str(run.plan["steps"]), *run.plan["warnings"]]
        shown.append(str(world.migrations.report(run.migration_id)))
        assert run.status == "rolled_back"
        assert "https://old.example/hook" in "\n".join(shown)
        assert "hunter" not in "\n".join(shown)


class TestCounts:
    """The counts that a watch shows."""

    def test_counts_of_a_finished_phase_are_read_from_the_run(self, worlds):
        world = worlds(companies=30)
        world.migrate()
        read = []
        inner = world.ledger.tallies
        world.ledger.tallies = lambda *args: read.append(args) or inner(*args)
        counts = world.migrations.counts(world.run)
        assert not read
        assert counts["add_products"]["chunks"] == counts["add_products"]["of_chunks"] == 2
        assert counts["survey"]["done"] == 30
        assert counts["verify_reads"]["open"] == 0

    def test_a_snapshot_that_was_taken_twice_counts_once(self, world):
        change_after_first_approval(world)
        world.migrate()
        assert world.pauses.count("approval") == 2
        assert world.migrations.counts(world.run)["snapshot"]["done"] == 6


def test_the_plan_of_a_subset_counts_every_company_that_it_switches_off(worlds):
    world = worlds(companies=8)
    run = world.migrate(company_ids=tuple(world.companies[:3]))
    step = run.plan["steps"][0]
    assert step["changes"] == 3
    assert "switch off schedules: those of 3 companies by settings of their own" in step["summary"]
    posts = [write for write in world.writes() if write.endswith("/syncSettings")]
    assert len(posts) == 3


@pytest.mark.parametrize("mode", ["portal", "api"])
def test_after_a_rollback_the_report_asks_to_replay_everything_since_the_gap_began(worlds, mode):
    world = worlds()
    world.migrate(mode=mode)
    gap = world.migrations.report(world.migration_id)["replay_missed"]
    world.pass_time(3600)
    world.migrations.rollback(world.migration_id, OPERATOR)
    world.go()
    back = world.migrations.report(world.migration_id)["replay_missed"]
    assert back["from"] == gap["from"]
    assert back["to"] > gap["to"]
