"""Commands of people: they approve, confirm and store secrets."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from codat_hub.errors import Conflict, Invalid
from codat_hub.migration.domain.run import MigrationRequest
from codat_hub.migration.usecases.operate import OperateMigrations
from tests.support.migration.world import (
    OPERATOR,
    OTHER,
    PRODUCTS,
    change_after_first_approval,
    in_the_middle,
)


class TestApproval:
    def test_a_snapshot_that_differs_from_the_plan_asks_again(self, world):
        change_after_first_approval(world)
        run = world.migrate()
        assert run.status == "complete"
        assert world.pauses.count("approval") == 2
        assert any("asks again" in note for note in run.notes)

    def test_companies_that_appear_in_each_round_are_not_asked_about(self, world):
        late = []

        def around(call, payload):
            if payload["step"] in {"snapshot", "begin_products"}:
                late.append(world.codat_client.create_company(f"Late {len(late)}").value.id)
                world.consent(late[-1], "lending")
            return call(payload)

        world.around = around
        run = world.migrate()
        assert (run.status, world.pauses.count("approval")) == ("complete", 1)
        assert all(world.state.companies[number].products == ["lending"] for number in late)
        notes = "; ".join(run.notes)
        assert all(number in notes for number in late)

    def test_who_approves_again_reads_the_difference_only(self, world):
        change_after_first_approval(world)
        inner, shown = world.operator, []

        def operator(waiting_for):
            shown.append(world.run.pause.instructions)
            inner(waiting_for)

        world.operator = operator
        world.migrate()
        first, second = shown[:2]
        assert len(second) == len(first) + 1
        assert "the client's settings" in second[0]
        assert "syncSchedule 12" in second[0]

    def test_settings_changed_after_the_snapshot_end_the_run_and_are_kept(self, world):
        def change():
            world.state.client_settings.settings[0].sync_schedule = 12

        in_the_middle(world, "disable_client_sync", change)
        run = world.migrate()
        assert run.status == "rolled_back"
        assert "changed since the snapshot" in run.error
        assert world.state.client_settings.settings[0].sync_schedule == 12

    def test_the_approver_may_have_to_be_someone_else(self, world):
        world.migrations = replace(world.migrations, needs_another=True)

        def operator(waiting_for):
            if waiting_for == "approval":
                with pytest.raises(Conflict, match="someone else"):
                    world.migrations.approve(world.migration_id, OPERATOR)
            world.willing(waiting_for)

        world.operator = operator
        assert world.migrate().approved_by != OPERATOR

    @pytest.mark.parametrize(
        ("starter", "approver", "refused"),
        [
            ("assumed-role/operators/olive", "assumed-role/operators/otto", True),
            ("assumed-role/operators/olive", "assumed-role/approvers/olive", False),
            ("assumed-role/team/olive/s", "assumed-role/team/otto/s", False),
            ("federated-user/olive", "federated-user/otto", False),
            ("user/team/olive", "user/team/otto", False),
        ],
    )
    def test_two_sessions_of_one_role_are_one_identity(self, world, starter, approver, refused):
        world.migrations = replace(world.migrations, needs_another=True)
        arn = "arn:aws:sts::1:"
        world.request = MigrationRequest(PRODUCTS)
        world.migration_id = world.migrations.start(world.request, arn + starter).migration_id
        seen = []

        def operator(waiting_for):
            if waiting_for == "approval":
                try:
                    world.migrations.approve(world.migration_id, arn + approver)
                    seen.append(False)
                except Conflict:
                    seen.append(True)
                return
            world.willing(waiting_for)

        world.operator = operator
        world.go()
        assert seen == [refused]

    def test_a_confirmation_that_the_run_does_not_wait_for_is_refused(self, world):
        world.start()
        for act in (
            lambda: world.migrations.approve(world.migration_id, OPERATOR),
            lambda: world.migrations.confirm_webhooks_disabled(world.migration_id),
            lambda: world.migrations.confirm_webhooks_restored(world.migration_id),
            lambda: world.migrations.confirm_secret(world.migration_id, "x", "y"),
        ):
            with pytest.raises(Conflict, match="waits for no person"):
                act()

    def test_an_approval_of_an_older_plan_is_refused(self, world):
        def operator(waiting_for):
            if waiting_for == "approval":
                with pytest.raises(Conflict, match="another plan"):
                    world.migrations.approve(world.migration_id, OTHER, "0123")
                run = world.migrations.approve(world.migration_id, OTHER, world.run.plan_hash)
                assert (run.status, run.pause, run.approved_by) == ("running", None, OTHER)
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate().status == "complete"

    def test_two_approvals_at_once_are_one_approval(self, world):
        outcomes = []

        def approve():
            try:
                outcomes.append(world.migrations.approve(world.migration_id, OTHER))
            except Conflict as refusal:
                outcomes.append(refusal)

        def operator(waiting_for):
            if waiting_for == "approval":
                approve()
                approve()
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate().status == "complete"
        assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, True]


def test_its_clock_is_aware():
    (now,) = (field.default for field in fields(OperateMigrations) if field.name == "now")
    assert now().utcoffset() == timedelta(0)


def test_a_secret_is_stored_and_nowhere_else(world):
    run = world.migrate()
    assert run.status == "complete"
    kept = str(world.table.items) + str(world.manifests.kept)
    assert "whsec_" not in kept


def test_a_malformed_secret_is_refused_without_quoting_it(world):
    def operator(waiting_for):
        if waiting_for == "signing_secret":
            (consumer, *_) = [
                entry.detail["consumer_id"]
                for entry in world.ledger.under(world.migration_id, "NEW_CONSUMER#product").values()
            ]
            with pytest.raises(Invalid) as raised:
                world.migrations.confirm_secret(world.migration_id, consumer, "whsec_short")
            assert "whsec_short" not in str(raised.value.problems)
            with pytest.raises(Invalid):
                world.migrations.confirm_secret(world.migration_id, "nobody", "whsec_short")
        world.willing(waiting_for)

    world.operator = operator
    assert world.migrate().status == "complete"


def test_a_confirmation_in_portal_mode_is_checked_at_codat(world):
    calls = []

    def operator(waiting_for):
        calls.append(waiting_for)
        if waiting_for == "webhooks_disabled" and calls.count(waiting_for) == 1:
            with pytest.raises(Conflict, match="still enabled at Codat") as refused:
                world.migrations.confirm_webhooks_disabled(world.migration_id)
            for line in world.run.pause.instructions:
                assert "http" not in line or line.split()[0] in str(refused.value)
        if waiting_for == "webhooks_restored" and calls.count(waiting_for) == 1:
            with pytest.raises(Conflict, match="still disabled at Codat"):
                world.migrations.confirm_webhooks_restored(world.migration_id)
        world.willing(waiting_for)

    world.operator = operator
    assert world.migrate(mode="portal").status == "complete"
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert (calls.count("webhooks_disabled"), calls.count("webhooks_restored")) == (1, 1)


def test_a_consumer_enabled_again_after_the_confirmation_is_asked_for_again(world):
    def enable():
        for consumer in world.sandbox.office.state.consumers.values():
            consumer.disabled = False

    def around(call, payload):
        if (
            payload["step"] == "disable_old_webhooks"
            and world.pauses.count("webhooks_disabled") == 1
        ):
            enable()
        return call(payload)

    world.around = around
    assert world.migrate(mode="portal").status == "complete"
    assert world.pauses.count("webhooks_disabled") == 2
