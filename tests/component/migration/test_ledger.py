"""The ledger and the small adapters around it, on moto's DynamoDB, S3 and Secrets Manager."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError

from codat_hub.errors import Superseded, Unavailable
from codat_hub.migration.adapters.executions import MigrationExecutions
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.adapters.manifests import ManifestBucket
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.plan import ProductCount, Survey
from codat_hub.migration.domain.run import (
    Activity,
    MigrationRequest,
    MigrationRun,
    MigrationStatus,
    Mode,
    Pause,
    Stragglers,
    WaitingFor,
)
from codat_hub.storage.items import ItemKey
from codat_hub.storage.state_table import StateTable
from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.signing_secret_store import ConfirmedSecrets, SigningSecretStore
from tests.support.aws import REGION
from tools.simulation.fakes import FakeStateTable
from tools.simulation.tables import create_table

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
ID = "m-20261122-101500-ab12cd"
FULL = MigrationRun(
    migration_id=ID,
    request=MigrationRequest(
        ("lending",), ("c1", "c2"), mode=Mode.API, off_value=0, stragglers=Stragglers.ASK
    ),
    started_at=NOW,
    started_by="olive",
    execution=ID,
    status=MigrationStatus.WAITING,
    reached=Activity.ADD_PRODUCTS,
    pause=Pause(WaitingFor.APPROVAL, NOW, "token", ("do this",)),
    plan={"hash": "h", "steps": [1, 2.5]},
    chunks={"plan": 3},
    gap_from=NOW,
    notes=("one", "two"),
)


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture(params=["real", "fake"])
def ledger(request):
    real = request.param == "real"
    return MigrationLedger(request.getfixturevalue("table") if real else FakeStateTable())


def test_a_head_comes_out_as_it_went_in_and_is_created_once(ledger):
    assert ledger.get(ID) is None
    assert ledger.create(FULL)
    assert ledger.get(ID) == FULL
    assert not ledger.create(replace(FULL, started_by="otto"))
    assert ledger.change(ID, lambda run: run.noting("three")).notes == ("one", "two", "three")
    assert ledger.get(ID).started_by == "olive"
    with pytest.raises(LookupError):
        ledger.change("m-nobody", lambda run: run)


def test_a_head_that_was_written_before_a_deployment_is_read(table):
    ledger = MigrationLedger(table)
    ledger.create(FULL)
    key = ItemKey(f"MIGRATION#{ID}", "RUN")
    stored = table.get(key)
    body = json.loads(stored.attributes["body"])
    del body["execution_at"], body["counted"]
    table.put(key, {**stored.attributes, "body": json.dumps(body)}, stored.version)
    assert ledger.get(ID) == FULL


def test_the_newest_come_first(ledger):
    for hour in (1, 3, 2):
        at = NOW.replace(hour=hour)
        ledger.create(replace(FULL, migration_id=f"m-{hour}", started_at=at))
    assert [run.migration_id for run in ledger.newest()] == ["m-3", "m-2", "m-1"]
    assert [run.migration_id for run in ledger.newest(limit=1)] == ["m-3"]


def test_of_two_starts_at_once_one_is_the_latest(ledger):
    none, version = ledger.latest()
    assert none is None
    assert ledger.take("m-1", version)
    assert not ledger.take("m-2", version)
    assert ledger.latest()[0] == "m-1"


def test_what_was_before_is_written_first_and_once(ledger):
    assert ledger.entry(ID, "CLIENT") == LedgerEntry()
    settings = {"settings": [{"dataType": "a", "syncSchedule": 24, "z": None, "b": 1}]}
    assert ledger.first(ID, "CLIENT", LedgerEntry(settings)).before == settings
    assert ledger.first(ID, "CLIENT", LedgerEntry({"settings": []})).before == settings
    assert list(ledger.entry(ID, "CLIENT").before["settings"][0]) == [
        "dataType",
        "syncSchedule",
        "z",
        "b",
    ]


def test_an_intent_is_written_under_its_epoch_only_and_not_over_another(ledger):
    ledger.create(FULL)
    ledger.intend(ID, 1, {"a": LedgerEntry(1), "b": LedgerEntry(2)})
    ledger.intend(ID, 1, {"a": LedgerEntry(9)})
    assert ledger.entry(ID, "a") == LedgerEntry(1, intended=1)
    assert ledger.raise_epoch(ID) == 2
    with pytest.raises(Superseded, match="epoch 1 is over, it is 2"):
        ledger.intend(ID, 1, {"c": LedgerEntry(3)})
    with pytest.raises(Superseded):
        ledger.intend(ID, 1, {"a": LedgerEntry(1)})  # also where nothing is left to write
    assert ledger.entry(ID, "c") == LedgerEntry()
    ledger.intend(ID, 2, {"c": LedgerEntry(3)})


def test_more_intents_than_one_transaction_holds(ledger):
    ledger.create(FULL)
    ledger.intend(ID, 1, {f"e{n:03}": LedgerEntry(n) for n in range(200)})
    assert len(ledger.under(ID, "e")) == 200


def test_outcomes_are_added_to_what_is_there(ledger):
    ledger.create(FULL)
    ledger.intend(ID, 1, {"a": LedgerEntry({"had": False})})
    ledger.note(ID, "a", lambda entry: entry.came_to("added", "now"))
    done = ledger.note(ID, "a", lambda entry: entry.undo("removed"))
    assert done == LedgerEntry({"had": False}, 1, "added", "now", "removed")
    assert not done.ours
    assert ledger.under(ID, "a") == {"a": done}


def test_a_tally_of_an_older_epoch_writes_nothing_over_a_newer_one(ledger):
    survey = Survey(2, 1, ("c1",), 1, ("c2",), {"lending": ProductCount(1, 0, 1)}, 6, ("d1", "d2"))
    newer = Tally(2, finished=True, done=3, reasons=("why",), survey=survey)
    ledger.put_tally(ID, "add", "snapshot-000001", newer)
    ledger.put_tally(ID, "add", "snapshot-000001", Tally(1, finished=True, done=9))
    assert ledger.tally(ID, "add", "snapshot-000001") == newer
    ledger.put_tally(ID, "add", "snapshot-000001", replace(newer, done=2))
    assert ledger.tally(ID, "add", "snapshot-000001").done == 2
    ledger.put_tally(ID, "add", "snapshot-000001", newer)
    ledger.put_tally(ID, "add", "late-1-000001", Tally(2))
    assert ledger.tallies(ID, "add", "snapshot-") == [newer]
    assert len(ledger.tallies(ID, "add")) == 2


class TestWhatIsWritten:
    """The version before reads the items during a deployment, and refuses unknown fields."""

    def body(self, table, sk):
        return json.loads(table.get(ItemKey(f"MIGRATION#{ID}", sk)).attributes["body"])

    def test_new_fields_are_left_out_where_they_say_nothing(self, table):
        ledger = MigrationLedger(table)
        ledger.create(FULL)
        assert "quiet_hours" not in self.body(table, "RUN")["request"]
        ledger.put_tally(ID, "add", "plan-000000", Tally(1, survey=Survey()))
        body = self.body(table, "CHUNK#add#plan-000000")
        assert "locked" not in body["survey"]
        assert "unsettled" not in body

    def test_new_fields_that_say_something_are_kept(self, table):
        ledger = MigrationLedger(table)
        run = replace(FULL, request=replace(FULL.request, quiet_hours=0))
        ledger.create(run)
        assert ledger.get(ID) == run
        tally = Tally(1, survey=Survey(locked=("c1: bills",)), unsettled=("c1",), open=1)
        ledger.put_tally(ID, "add", "plan-000000", tally)
        assert ledger.tally(ID, "add", "plan-000000") == tally

    def test_a_heads_item_names_its_run_and_its_status(self, table):
        MigrationLedger(table).create(FULL)
        attributes = table.get(ItemKey(f"MIGRATION#{ID}", "RUN")).attributes
        assert (attributes["status"], attributes["migration_id"]) == ("waiting", ID)

    def test_what_is_no_json_is_refused(self, ledger):
        with pytest.raises(TypeError, match="the ledger cannot keep a object"):
            ledger.first(ID, "x", LedgerEntry(object()))


def test_every_time_of_a_head_is_kept(ledger):
    names = ("execution_at", "disabled_at", "gap_from", "gap_to", "reads_from", "ended_at")
    times = {name: NOW.replace(hour=hour) for hour, name in enumerate(names)}
    run = replace(FULL, **times, request=MigrationRequest(("a",), tags={"x": "y"}), pause=None)
    ledger.create(run)
    assert ledger.get(ID) == run


def test_names_are_read_past_one_page():
    ledger = MigrationLedger(FakeStateTable())
    names = [f"COMPANY#c{number:04}" for number in range(1100)]
    for name in (*names, "PRODUCT#c"):
        ledger.first(ID, name, LedgerEntry(name))
    assert list(ledger.names_under(ID, "COMPANY#")) == names


def test_entries_are_found_by_their_names_beginning(ledger):
    ledger.create(FULL)
    for name in ("CLIENT", "COMPANY#a", "COMPANY#b", "PRODUCT#c"):
        ledger.first(ID, name, LedgerEntry(name))
    assert list(ledger.names_under(ID, "COMPANY#")) == ["COMPANY#a", "COMPANY#b"]
    assert list(ledger.under(ID, "P")) == ["PRODUCT#c"]
    assert ledger.entries(ID, ["CLIENT", "none"]) == {
        "CLIENT": LedgerEntry("CLIENT"),
        "none": LedgerEntry(),
    }


def test_the_first_entries_that_are_ours_are_found(ledger):
    ledger.create(FULL)
    names = [f"e{number:03}" for number in range(100)]
    ledger.intend(ID, 1, {name: LedgerEntry() for name in names})
    ledger.note(ID, "e001", lambda entry: entry.undo("x"))
    ours = [name for name in names if name != "e001"]
    assert ledger.ours(ID, 1000) == ours
    assert ledger.ours(ID, 2) == ["e000", "e002"]
    assert ledger.ours(ID, 1000, looked_at=3) == ["e000", "e002"]


def test_an_intent_after_an_undo_is_ours_again_and_keeps_what_was_before(ledger):
    ledger.create(FULL)
    ledger.intend(ID, 1, {"a": LedgerEntry(1)})
    ledger.note(ID, "a", lambda entry: entry.undo("removed"))
    ledger.intend(ID, 1, {"a": LedgerEntry(9)})
    assert ledger.entry(ID, "a") == LedgerEntry(1, intended=1)


def test_another_writer_of_the_same_intent_is_no_end_of_the_epoch(ledger, monkeypatch):
    ledger.create(FULL)
    monkeypatch.setattr(ledger._table, "put_while", lambda *_: False)
    with pytest.raises(Unavailable, match=f"{ID}: another writer"):
        ledger.intend(ID, 1, {"a": LedgerEntry(1)})


def test_epochs_count_from_the_creation(ledger):
    assert ledger.epoch(ID) == 0
    ledger.create(FULL)
    assert (ledger.epoch(ID), ledger.raise_epoch(ID), ledger.epoch(ID)) == (1, 2, 2)


def test_runs_since_a_time_are_later_ones_only(ledger):
    for hour in (1, 2, 3):
        at = NOW.replace(hour=hour)
        ledger.create(replace(FULL, migration_id=f"m-{hour}", started_at=at))
    since = ledger.since(NOW.replace(hour=1))
    assert [run.migration_id for run in since] == ["m-3", "m-2"]


def test_heads_are_read_past_one_page(ledger):
    ids = [f"m-{number:02}" for number in range(45)]
    for number, migration_id in enumerate(ids):
        at = NOW.replace(minute=number)
        ledger.create(replace(FULL, migration_id=migration_id, started_at=at))
    assert [run.migration_id for run in ledger.newest()] == ids[::-1]
    assert [run.migration_id for run in ledger.newest(limit=21)] == ids[:23:-1]


def test_a_change_that_changes_nothing_writes_nothing(ledger):
    ledger.create(FULL)
    ledger.first(ID, "a", LedgerEntry(1))
    ledger._table.put = None
    assert ledger.change(ID, lambda run: run) == FULL
    assert ledger.note(ID, "a", lambda entry: entry) == LedgerEntry(1)


def test_companies_of_complete_runs_are_migrated(ledger):
    for number, status in enumerate(
        (MigrationStatus.COMPLETE, MigrationStatus.ROLLED_BACK, MigrationStatus.COMPLETE)
    ):
        migration = f"m-{number}"
        ledger.create(
            replace(
                FULL, migration_id=migration, status=status, started_at=NOW.replace(hour=number)
            )
        )
        ledger.first(migration, f"COMPANY#c{number}", LedgerEntry({"settings": None}))
    assert ledger.migrated(["c0", "c1", "c2", "c3"]) == {"c0", "c2"}
    dry = replace(FULL.request, dry_run=True)
    ledger.create(replace(FULL, migration_id="dry", request=dry, status=MigrationStatus.COMPLETE))
    ledger.first("dry", "COMPANY#c3", LedgerEntry({"settings": None}))
    assert ledger.migrated(["c3"]) == set()


class TestTransactions:
    """Transactions that DynamoDB refuses."""

    @pytest.fixture
    def refusing(self, table, dynamodb, monkeypatch):
        asked = []

        def refuse(*reasons, times=10**6):
            real = dynamodb.transact_write_items

            def transact(**request):
                asked.append(request)
                if len(asked) > times:
                    return real(**request)
                response = {
                    "Error": {"Code": "TransactionCanceledException", "Message": "no"},
                    "CancellationReasons": [{"Code": reason} for reason in reasons],
                }
                raise dynamodb.exceptions.TransactionCanceledException(
                    response, "TransactWriteItems"
                )

            monkeypatch.setattr(dynamodb, "transact_write_items", transact)
            return asked

        return refuse

    def write(self, table):
        return table.put_while(ItemKey("g", "g"), 0, [(ItemKey("a", "a"), {}, 0)])

    def test_a_write_that_meets_another_transaction_is_repeated(self, table, refusing):
        asked = refusing("TransactionConflict", "None", times=2)
        assert self.write(table)
        assert len(asked) == 3

    def test_a_write_that_keeps_meeting_other_transactions_fails(self, table, refusing):
        refusing("TransactionConflict", "None")
        with pytest.raises(Unavailable, match="other transactions"):
            self.write(table)

    def test_a_version_that_differs_refuses_the_write(self, table, refusing):
        refusing("None", "ConditionalCheckFailed")
        assert not self.write(table)

    def test_anything_else_may_be_tried_later(self, table, refusing):
        refusing("ThrottlingError", "None")
        with pytest.raises(Unavailable):
            self.write(table)

    def test_all_or_none_is_written(self, table):
        keys = [ItemKey("a", "1"), ItemKey("a", "2")]
        table.put(keys[1], {"x": "y"}, 0)
        assert not table.put_while(ItemKey("g", "g"), 0, [(key, {}, 0) for key in keys])
        assert table.get(keys[0]).version == 0


def test_manifests_come_out_as_they_went_in_and_a_missing_one_is_none(aws):
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(
        Bucket="manifests", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    manifests = ManifestBucket(client, "manifests")
    assert manifests.get("m-1/plan.json") is None
    manifests.put("m-1/plan.json", [{"name": "plan-000000"}])
    assert manifests.get("m-1/plan.json") == [{"name": "plan-000000"}]
    with pytest.raises(Unavailable):
        ManifestBucket(client, "no-such-bucket").put("a", 1)


def test_an_execution_has_begun_once_it_was_started_and_a_repeat_is_the_same(aws):
    client = boto3.client("stepfunctions", region_name=REGION)
    machine = client.create_state_machine(
        name="migration", definition="{}", roleArn="arn:aws:iam::123456789012:role/migration"
    )
    executions = MigrationExecutions(client, machine["stateMachineArn"])
    assert not executions.has_begun(ID)
    for _ in range(2):
        executions.start(ID, {"contract": 1})
        assert executions.has_begun(ID)
    assert executions.runs(ID)


class TestSigningSecretStore:
    @pytest.fixture
    def arn(self, secretsmanager):
        return secretsmanager.create_secret(Name="signing")["ARN"]

    def stored(self, client, arn):
        found = client.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
        return json.loads(found["SecretString"])

    def test_a_new_secret_comes_first_and_others_stay(self, secretsmanager, arn):
        store = ConfirmedSecrets(SigningSecretStore(secretsmanager, arn))
        store.accept("a", "whsec_1")
        store.accept("b", "whsec_9")
        for number in (2, 2, 3, 4):
            store.accept("a", f"whsec_{number}")
        assert self.stored(secretsmanager, arn) == {
            "a": ["whsec_4", "whsec_3", "whsec_2", "whsec_1"],  # what is enabled again may need it
            "b": ["whsec_9"],
        }

    @pytest.mark.parametrize(
        ("call", "held"),
        [
            ("put_secret_value", {}),
            ("put_secret_value", {"a": ["whsec_0"]}),
            ("update_secret_version_stage", {"a": ["whsec_0"]}),
        ],
    )
    def test_none_of_several_changes_at_once_is_lost(
        self, secretsmanager, arn, monkeypatch, call, held
    ):
        if held:
            secretsmanager.put_secret_value(SecretId=arn, SecretString=json.dumps(held))
        store = ConfirmedSecrets(SigningSecretStore(secretsmanager, arn, lambda _seconds: None))
        inner, others = getattr(secretsmanager, call), [("b", "whsec_9"), ("a", "whsec_2")]

        def later(**given):  # just before it somebody else is through with it
            if others:
                store.accept(*others.pop())
            return inner(**given)

        monkeypatch.setattr(secretsmanager, call, later)
        store.accept("a", "whsec_1")
        found = self.stored(secretsmanager, arn)
        assert {name: set(secrets) for name, secrets in found.items()} == {
            "a": {"whsec_1", "whsec_2", *held.get("a", ())},
            "b": {"whsec_9"},
        }

    def test_a_change_that_loses_every_race_fails_and_nothing_is_lost(
        self, secretsmanager, arn, monkeypatch
    ):
        store, pauses = SigningSecretStore(secretsmanager, arn), []
        store.set({"a": ["whsec_0"]})
        inner, count = secretsmanager.update_secret_version_stage, itertools.count()

        def later(**given):
            secretsmanager.put_secret_value(
                SecretId=arn, SecretString=json.dumps({"b": [f"whsec_{next(count)}"]})
            )
            return inner(**given)

        monkeypatch.setattr(secretsmanager, "update_secret_version_stage", later)
        with pytest.raises(Unavailable, match="others keep changing"):
            ConfirmedSecrets(SigningSecretStore(secretsmanager, arn, pauses.append)).accept(
                "a", "whsec_1"
            )
        assert len(pauses) == next(count) > 1
        assert list(self.stored(secretsmanager, arn)) == ["b"]

    def test_an_answer_that_was_lost_changes_nothing_twice(self, secretsmanager, arn, monkeypatch):
        store = ConfirmedSecrets(SigningSecretStore(secretsmanager, arn, lambda _seconds: None))
        store.accept("a", "whsec_0")
        inner = secretsmanager.update_secret_version_stage

        def twice(**given):  # as the client repeats it by itself
            inner(**given)
            return inner(**given)

        monkeypatch.setattr(secretsmanager, "update_secret_version_stage", twice)
        store.accept("a", "whsec_1")
        assert self.stored(secretsmanager, arn) == {"a": ["whsec_1", "whsec_0"]}

    def test_a_secret_is_withdrawn_by_its_fingerprint_and_the_last_takes_the_name_along(
        self, secretsmanager, arn
    ):
        store = ConfirmedSecrets(SigningSecretStore(secretsmanager, arn))
        new = [
            store.accept(*pair) for pair in (("a", "whsec_1"), ("a", "whsec_1"), ("b", "whsec_1"))
        ]
        assert new == [True, False, True]
        store.accept("a", "whsec_2")
        for _ in range(2):
            store.withdraw("a", [fingerprint("whsec_2"), fingerprint("whsec_9")])
            store.withdraw("b", [fingerprint("whsec_1")])
        assert self.stored(secretsmanager, arn) == {"a": ["whsec_1"]}

    def test_a_malformed_value_is_not_written_over(self, secretsmanager, arn):
        secretsmanager.put_secret_value(SecretId=arn, SecretString="whsec_alone")
        with pytest.raises(Unavailable, match="malformed") as raised:
            ConfirmedSecrets(SigningSecretStore(secretsmanager, arn)).accept("a", "whsec_1")
        assert "whsec" not in str(raised.value)

    def test_a_refusal_of_aws_never_quotes_the_secret(self):
        def refuse(**_):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no whsec_1"}}, "Put")

        client = SimpleNamespace(
            get_secret_value=lambda **_: {"SecretString": "{}", "VersionId": "1"},
            put_secret_value=refuse,
            exceptions=SimpleNamespace(ResourceNotFoundException=KeyError),
        )
        with pytest.raises(Unavailable) as raised:
            ConfirmedSecrets(SigningSecretStore(client, "arn")).accept("a", "whsec_1")
        assert "whsec" not in str(raised.value)
