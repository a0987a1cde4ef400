"""Items that an earlier version wrote can be read, and are written back as they were."""

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

import pytest

from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.adapters.creation_store import CreationStore
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.domain.run import MigrationStatus, WaitingFor
from codat_hub.product_events.adapters.inbox_archive import InboxArchive
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.refresh.adapters.dispatch_store import DispatchStore
from codat_hub.refresh.adapters.lease_store import LeaseStore
from codat_hub.refresh.adapters.refresh_run_store import RefreshRunStore
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.storage.items import ItemKey
from codat_hub.storage.state_table import StateTable
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.signing_secret_store import SigningSecretStore
from codat_hub.webhooks.webhook_event import Delivery, recognise
from tools.samconfig import ROOT
from tools.simulation.tables import create_table

FOLDER = ROOT / "tests" / "support" / "written_before"
WRITTEN = {
    f"{path.stem}/{kind}": rows
    for path in sorted(FOLDER.glob("*.json"))
    for kind, rows in json.loads(path.read_text()).items()
}
ELSEWHERE = {"companies/consents", "webhooks/inbox", "webhooks/secrets"}
ROWS = [(kind, row) for kind, rows in WRITTEN.items() if kind not in ELSEWHERE for row in rows]


def parts(key):
    """Return what follows the first word of the partition key and of the sort key."""
    return key.pk.partition("#")[2], key.sk.partition("#")[2]


class Versioned:
    """A store whose `get` takes some of the key, and whose `put` takes as much or nothing."""

    def __init__(self, make, key=lambda _: (), *, put_takes_key=False):
        self.make, self.key, self.put_takes_key = make, key, put_takes_key

    def read(self, table, key):
        return self.make(table).get(*self.key(key))[0]

    def write_back(self, table, key):
        store, arguments = self.make(table), self.key(key)
        value, version = store.get(*arguments)
        return store.put(*(arguments if self.put_takes_key else ()), value, version)


class Registry:
    def read(self, table, key):
        return ProductStore(table).read()[0]

    def write_back(self, table, key):
        products, version = ProductStore(table).read()
        by = table.get(key).attributes["changed_by"]
        return ProductStore(table).replace(products.values(), version, by)


class Parked:
    def read(self, table, key):
        (webhook_id,), _ = ParkingStore(table).page(None, 10)
        item = table.get(key).attributes
        return [webhook_id, item["reason"], datetime.fromisoformat(item["parked_at"])]

    def write_back(self, table, key):
        parked = self.read(table, key)
        until = datetime.fromtimestamp(int(table.get(key).attributes["expires_at"]), UTC)
        ParkingStore(table).unpark(parked[0])
        ParkingStore(table).park(*parked, until)


class ClientChecks:
    def read(self, table, key):
        return ClientCheckStore(table).last()

    def write_back(self, table, key):
        ClientCheckStore(table).keep(self.read(table, key))


class PresentReconcile:
    def read(self, table, key):
        return ReconcileRunStore(table).present()[0]

    def write_back(self, table, key):
        store = ReconcileRunStore(table)
        reconcile_id, version = store.present()
        run, _ = store.get(reconcile_id)
        store.begin(run, version)  # its own item is there, so only the present one is written


class ReconcileNotes:
    def read(self, table, key):
        store = ReconcileRunStore(table)
        return store.noted(store.get(parts(key)[0])[0])

    def write_back(self, table, key):
        store = ReconcileRunStore(table)
        store.note(store.get(parts(key)[0])[0], self.read(table, key))


class SeenByReconcile:
    listed = tuple(WRITTEN["reconcile/seen"][0]["means"])

    def read(self, table, key):
        seen = ReconcileRunStore(table).seen(parts(key)[0])
        return [company for company in (*self.listed, "another") if company in seen]

    def write_back(self, table, key):
        store = ReconcileRunStore(table)
        store.see(store.get(parts(key)[0])[0], self.listed)


class MigrationHeads:
    def read(self, table, key):
        return MigrationLedger(table).get(parts(key)[0])

    def write_back(self, table, key):
        # `change` writes what differs only: there and back again
        run = self.read(table, key)
        for noted in (replace(run, notes=(*run.notes, "another")), run):
            MigrationLedger(table).change(run.migration_id, lambda _, noted=noted: noted)


class LatestMigration:
    def read(self, table, key):
        return MigrationLedger(table).latest()[0]

    def write_back(self, table, key):
        return MigrationLedger(table).take(*MigrationLedger(table).latest())


class MigrationEpochs:
    def read(self, table, key):
        return MigrationLedger(table).epoch(parts(key)[0])

    def write_back(self, table, key):
        MigrationLedger(table).raise_epoch(parts(key)[0])


class MigrationEntries:
    def read(self, table, key):
        return MigrationLedger(table).entry(*parts(key))

    def write_back(self, table, key):
        entry = self.read(table, key)
        for written in (replace(entry, outcome="another"), entry):
            MigrationLedger(table).note(*parts(key), lambda _, written=written: written)


class MigrationChunks:
    def read(self, table, key):
        migration_id, (phase, chunk) = parts(key)[0], parts(key)[1].split("#")
        return MigrationLedger(table).tally(migration_id, phase, chunk)

    def write_back(self, table, key):
        migration_id, (phase, chunk) = parts(key)[0], parts(key)[1].split("#")
        tally = self.read(table, key)
        MigrationLedger(table).put_tally(migration_id, phase, chunk, tally)


def of_company(key):
    return (parts(key)[0],)


def of_product(key):
    """Return company and product; None for the item without a product."""
    return parts(key)[0], parts(key)[1] or None


def of_ticket(key):
    return parts(key)[0], key.sk.removeprefix("REFRESH#TICKET#") or None


class Leases:
    def read(self, table, key):
        return self.at(table, key).read(table, key)

    def write_back(self, table, key):
        return self.at(table, key).write_back(table, key)

    def at(self, table, key):
        product = key.sk.removeprefix("REFRESH#LEASE").removeprefix("#") or None
        return Versioned(
            lambda table: LeaseStore(table, per_product=product is not None),
            lambda key: (parts(key)[0], product),
            put_takes_key=True,
        )


KINDS = {
    "codat/client_check": ClientChecks(),
    "companies/assignments": Versioned(AssignmentStore, of_product),
    "companies/creations": Versioned(CreationStore, of_company, put_takes_key=True),
    "companies/directory": Versioned(CompanyStore, of_company),
    "migration/chunks": MigrationChunks(),
    "migration/entries": MigrationEntries(),
    "migration/epochs": MigrationEpochs(),
    "migration/heads": MigrationHeads(),
    "migration/latest": LatestMigration(),
    "product_events/parked": Parked(),
    "product_events/read_states": Versioned(ReadStateStore, of_product, put_takes_key=True),
    "product_events/replays": Versioned(ReplayStore, of_company),
    "products/registry": Registry(),
    "rate_limiting/notices": Versioned(RateLimitNoticeStore),
    "rate_limiting/rate_limiter": Versioned(RateLimiterStore),
    "reconcile/notes": ReconcileNotes(),
    "reconcile/present": PresentReconcile(),
    "reconcile/runs": Versioned(ReconcileRunStore, of_company),
    "reconcile/seen": SeenByReconcile(),
    "refresh/dispatch": Versioned(DispatchStore),
    "refresh/leases": Leases(),
    "refresh/runs": Versioned(
        RefreshRunStore, lambda key: (parts(key)[0], datetime.fromisoformat(key.sk))
    ),
    "refresh/tickets": Versioned(TicketStore, of_ticket),
}


def plain(value, means):
    """Describe a value as `means` describes it: fields by the names that they had then."""
    if is_dataclass(value):
        described = _described(value, means)
    elif isinstance(value, Mapping) and isinstance(means, dict):
        described = {key: plain(part, means.get(key)) for key, part in value.items()}
    elif isinstance(value, Mapping):
        described = plain([list(pair) for pair in value.items()], means)
    elif isinstance(value, list | tuple):
        described = [plain(part, then) for part, then in zip(value, means, strict=True)]
    else:
        described = _text(value)
    return described


def _described(value, means):
    ((name, then),) = means.items()
    now = [getattr(value, field.name) for field in fields(value)]
    assert len(now) >= len(then)  # a field that came later stands behind the others
    return {name: {old: plain(part, then[old]) for old, part in zip(then, now, strict=False)}}


def _text(value):
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case bytes():
            return value.decode()
        case Decimal():
            return float(value)  # equal to the whole number that JSON has
        case _:
            return value


def raw(item):
    """Return an item as the client of DynamoDB has it: JSON has binary values as base64."""
    if isinstance(item, dict):
        return {
            name: base64.b64decode(value) if name == "B" else raw(value)
            for name, value in item.items()
        }
    return [raw(part) for part in item] if isinstance(item, list) else item


def key_of(item):
    return ItemKey(item["pk"]["S"], item["sk"]["S"])


@pytest.fixture
def written(dynamodb):
    """Return a State table with the items of some kinds."""
    name = create_table(dynamodb, "StateTable")

    def table_with(prefix):
        for kind, row in ROWS:
            if kind.startswith(prefix):
                dynamodb.put_item(TableName=name, Item=raw(row["item"]))
        return StateTable(dynamodb, name)

    return table_with


@pytest.mark.parametrize(
    ("kind", "row"), ROWS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(ROWS)]
)
def test_an_item_is_read_as_it_was_meant_and_written_back_as_it_was(dynamodb, written, kind, row):
    table = written(kind.partition("/")[0])
    item, key = raw(row["item"]), key_of(row["item"])
    dynamodb.put_item(TableName="StateTable", Item=item)  # over the other row of its key, if any

    assert plain(KINDS[kind].read(table, key), row["means"]) == row["means"]
    KINDS[kind].write_back(table, key)

    raw_key = {"pk": item["pk"], "sk": item["sk"]}
    after = dynamodb.get_item(TableName="StateTable", Key=raw_key, ConsistentRead=True)["Item"]
    if kind == "product_events/parked":  # it is deleted and written anew, now with a listing
        assert after.pop("gsi1pk")
        assert after.pop("gsi1sk")
    else:
        assert int(after["version"]["N"]) > int(item["version"]["N"])
    assert after | {"version": item["version"]} == item


def test_every_kind_of_item_was_kept_and_every_status_of_a_ticket_and_of_a_migration():
    assert {kind for kind in WRITTEN if kind not in ELSEWHERE} == set(KINDS)
    tickets = {row["item"]["status"]["S"] for row in WRITTEN["refresh/tickets"]}
    assert tickets == set(TicketStatus)
    heads = [row["means"]["Run"] for row in WRITTEN["migration/heads"]]
    assert {head["status"] for head in heads} == set(MigrationStatus)
    pauses = {head["pause"]["Pause"]["waiting_for"] for head in heads if head["pause"]}
    assert pauses == set(WaitingFor) - {WaitingFor.PRODUCTS_KEPT}  # it came later


def test_items_are_found_by_the_index(written):
    table = written("")
    assert MigrationLedger(table).newest()
    assert ReconcileRunStore(table).latest()
    assert RefreshRunStore(table).unfinished()
    due = TicketStore(table).due("p-queued", datetime(2027, 1, 1, tzinfo=UTC), 10)
    due = [ticket.company_id for ticket in due]
    assert due
    companies = [AssignmentStore(table).companies_with("invoice-finance", n) for n in range(8)]
    assert sorted(itertools.chain.from_iterable(companies)) == due


def test_consents_are_read_as_they_were_meant_and_written_as_they_were(dynamodb):
    rows = WRITTEN["companies/consents"]
    name = create_table(dynamodb, "ConsentsTable")
    for row in rows:
        dynamodb.put_item(TableName=name, Item=raw(row["item"]))
    company = rows[0]["item"]["pk"]["S"]
    entries = ConsentLedger(dynamodb, name).entries(company)
    assert plain(entries, [row["means"] for row in rows]) == [row["means"] for row in rows]

    dynamodb.delete_table(TableName=name)
    create_table(dynamodb, "ConsentsTable")
    for entry in entries:
        assert ConsentLedger(dynamodb, name).append(company, entry)
    assert dynamodb.scan(TableName=name)["Items"] == [row["item"] for row in rows]


@pytest.mark.parametrize("row", WRITTEN["webhooks/inbox"])
def test_an_inbox_item_is_read_as_it_was_meant_and_stored_as_it_was(dynamodb, inbox_table, row):
    item, key = row["item"], {"webhook_id": row["item"]["webhook_id"]}
    dynamodb.put_item(TableName=inbox_table, Item=item)
    stored = InboxArchive(dynamodb, inbox_table).get(item["webhook_id"]["S"])
    assert plain(stored, row["means"]) == row["means"]

    dynamodb.delete_item(TableName=inbox_table, Key=key)
    received_at = datetime.fromisoformat(item["received_at"]["S"])
    retention = timedelta(days=90)
    delivery = Delivery(stored.webhook_id, item["consumer"]["S"], stored.body, received_at)
    inbox = InboxTable(dynamodb, inbox_table, retention)
    assert inbox.store(delivery, recognise(stored.body))
    assert dynamodb.get_item(TableName=inbox_table, Key=key)["Item"] == item


def test_signing_secrets_are_read_as_they_were_meant_and_written_as_they_were(secretsmanager):
    (row,) = WRITTEN["webhooks/secrets"]
    arn = secretsmanager.create_secret(Name="signing-secrets", SecretString=row["item"])["ARN"]
    store = SigningSecretStore(secretsmanager, arn)
    assert store.read() == row["means"]

    store.set({"another": ["whsec_YW5vdGhlcg=="]})
    store.change(lambda accepted: {name: accepted[name] for name in row["means"]})
    assert secretsmanager.get_secret_value(SecretId=arn)["SecretString"] == row["item"]
