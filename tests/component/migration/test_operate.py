"""Commands of people: they approve, confirm and store secrets."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from codat_hub.errors import Absent, Conflict, Invalid
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus, Pause, WaitingFor
from codat_hub.migration.steps.settling import ItemToSettle
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.migration.usecases.outages import WAITS
from codat_hub.migration.usecases.reports import RunStanding, report
from codat_hub.webhooks.fingerprint import fingerprint
from tests.support.migration.left_over import PRODUCT, roll_back
from tests.support.migration.world import (
    HUB_URL,
    OPERATOR,
    OTHER,
    PRODUCTS,
    SECRET,
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


class TestLook:
    def test_people_see_the_run_as_the_ledger_has_it(self, world):
        run, look = world.migrate(), world.migrations
        assert look.get(run.migration_id) == run
        assert look.newest() == [run]
        assert look.counts(run)["add_products"]["done"] > 0
        standing = look.standing(run)
        assert standing == RunStanding.of(world.ledger, run, world.now())
        assert standing.needs
        assert look.report(run.migration_id) == report(world.ledger, run)

    def test_people_see_what_a_run_waits_for(self, world):
        world.start()
        assert world.migrations.waits_for(world.run) is None
        wait = LedgerEntry(detail={"step": "x", "text": "Codat, since noon"})
        world.ledger.first(world.migration_id, WAITS, wait)
        assert world.migrations.waits_for(world.run) == "Codat, since noon"

    def test_a_migration_that_is_not_there_is_absent(self, world):
        for look in (world.migrations.get, world.migrations.report):
            with pytest.raises(Absent, match="there is no migration m-nobody"):
                look("m-nobody")


class TestAWait:
    """Waits that are written into the ledger, without the run before them."""

    def wait(self, world, what, status=MigrationStatus.WAITING):
        world.start()
        pause = Pause(what, world.now(), "token")
        world.ledger.change(
            world.migration_id, lambda run: replace(run, pause=pause, status=status)
        )

    def test_a_rollback_goes_on_while_companies_keep_products(self, world):
        self.wait(world, WaitingFor.PRODUCTS_KEPT, MigrationStatus.ROLLING_BACK)
        run = world.migrations.approve(world.migration_id, OTHER)
        assert (run.status, run.pause) == ("rolling_back", None)
        assert run.notes == (f"{OTHER} let the rollback go on while companies keep products",)
        assert run.approved_by is None
        assert world.executions.resumed == {"token"}

    def test_the_refusal_of_another_answer_says_what_the_run_waits_for(self, world):
        self.wait(world, WaitingFor.SIGNING_SECRET)
        text = f"{world.migration_id} is waiting and waits for signing_secret, not for approval"
        with pytest.raises(Conflict, match=text):
            world.migrations.approve(world.migration_id, OTHER)

    def test_a_wait_that_has_ended_by_itself_is_no_longer_answered(self, world, monkeypatch):
        self.wait(world, WaitingFor.APPROVAL)
        monkeypatch.setattr(world.executions, "resume", lambda _token: False)
        with pytest.raises(Conflict, match=f"of migration {world.migration_id} is over already"):
            world.migrations.approve(world.migration_id, OTHER)

    def test_the_next_wait_is_kept(self, world):
        self.wait(world, WaitingFor.APPROVAL)
        later = Pause(WaitingFor.SIGNING_SECRET, world.now(), "later")
        resume = world.executions.resume

        def resume_until_the_next_wait(token):
            world.ledger.change(world.migration_id, lambda run: replace(run, pause=later))
            return resume(token)

        world.executions.resume = resume_until_the_next_wait
        run = world.migrations.approve(world.migration_id, OTHER)
        assert (run.pause, run.status) == (later, "waiting")

    @pytest.mark.parametrize(
        ("secret", "problem"),
        [
            ("nobody", ("consumer_id", "nobody", "one of c1, c2")),
            ("c1", ("secret", None, None)),
        ],
    )
    def test_a_secret_that_cannot_be_taken_is_refused_with_its_field(self, world, secret, problem):
        self.wait(world, WaitingFor.SIGNING_SECRET)
        self.created(world, "c2", "c1")
        with pytest.raises(Invalid) as refused:
            world.migrations.confirm_secret(world.migration_id, secret, "whsec_short")
        (fault,) = refused.value.problems
        assert (fault.field, fault.value, fault.allowed) == problem
        assert "None" not in fault.message

    def test_the_run_goes_on_with_the_last_secret(self, world):
        self.wait(world, WaitingFor.SIGNING_SECRET)
        self.created(world, "c1", "c2")
        world.secrets.accept("at-c2", SECRET)  # known before: the run did not bring it
        first = world.migrations.confirm_secret(world.migration_id, "c1", SECRET)
        assert first.pause is not None
        last = world.migrations.confirm_secret(world.migration_id, "c2", SECRET)
        assert (last.pause, last.status) == (None, "running")
        stored = [world.ledger.entry(world.migration_id, f"SECRET#c{n}") for n in (1, 2)]
        assert [entry.outcome for entry in stored] == ["stored", "stored"]
        assert [entry.detail for entry in stored] == [[fingerprint(SECRET)], []]
        assert world.secrets.accepted == {"at-c1": [SECRET], "at-c2": [SECRET]}

    def created(self, world, *consumer_ids):
        for consumer_id in consumer_ids:
            facts = {
                "url": f"{HUB_URL}/at-{consumer_id}",
                "hub_consumer": f"at-{consumer_id}",
                "consumer_id": consumer_id,
            }
            entry = LedgerEntry(facts).intend(1).came_to("created", facts)
            world.ledger.first(world.migration_id, f"NEW_CONSUMER#{consumer_id}", entry)


def test_an_item_that_a_repeated_rollback_left_is_settled(world, keeps):
    roll_back(world)
    item = ItemToSettle(keeps, PRODUCT)
    run = world.migrations.settle(world.migration_id, OTHER, item, "the company left us")
    assert run.status == "rolled_back"
    (settled, _) = world.migrations.standing(run).settled
    assert (settled["by"], settled["reason"]) == (OTHER, "the company left us")


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
