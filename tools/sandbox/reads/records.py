"""Codat's cached records come from the seed, change with every fetch, and have windows."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from tools.sandbox.world.model import ANYONE, Company, Dataset, Record, RecordSet
from tools.sandbox.world.moments import codat_date, parse_date
from tools.sandbox.world.world import World

# The numbers of changed records that a fetch may find: mostly some, often none.
_CHANGES: Final = (0, 0, 1, 1, 2, 3)
_NEW_RECORD: Final = 0.4
_DELETED_RECORD: Final = 0.05


def cache(world: World, company: Company, key: str) -> RecordSet | None:
    """Return the cached records of a key; None if they were never fetched."""
    if known := world.state.records.get(key):
        return known
    mark = company.marks.get(ANYONE, {}).get(key)
    if mark is None:
        return None
    # Seeded companies were read before; their records are made at the first request.
    rng = _rng(world, key, 0)
    records = []
    for number in range(rng.randint(4, 9)):
        modified = mark - timedelta(seconds=rng.uniform(60, 30 * 86_400))
        records.append(Record(f"{number + 1}", 1, modified, modified))
    made = RecordSet(records, max(record.modified for record in records), fetches=1)
    world.state.records[key] = made
    return made


def fetch(world: World, company: Company, dataset: Dataset) -> None:
    """Bring the source's changes into the cache, each stamped with the present time."""
    known = cache(world, company, dataset.key)
    if known is None:
        known = RecordSet([], world.now)
        world.state.records[dataset.key] = known
    rng = _rng(world, dataset.key, known.fetches)
    first_fetch = not known.records
    known.fetches += 1
    for _ in range(rng.randint(4, 9) if first_fetch else int(rng.random() < _NEW_RECORD)):
        changed_at = world.now - timedelta(seconds=rng.uniform(0, 600))
        known.records.append(Record(f"{len(known.records) + 1}", 1, world.now, changed_at))
        known.last_modified = world.now
    for _ in range(0 if first_fetch else rng.choice(_CHANGES)):
        _change(rng.choice(known.records), world, rng)
        known.last_modified = world.now


def forget(world: World, connection_id: str) -> None:
    """Delete a connection's cached records."""
    for key in [key for key in world.state.records if key.startswith(f"{connection_id}|")]:
        del world.state.records[key]


def view(key: str, record: Record) -> dict[str, Any]:
    """Show a record as a data read does: a few of Codat's fields."""
    data_type = key.partition("|")[2]
    rng = random.Random(f"{key}|{record.id}|{record.version}")
    identity = {"id": f"{data_type}-{record.id}"}
    if data_type == "banking-accountBalances":
        identity = {"accountId": f"banking-accounts-{record.id}", "date": "2026-07-01T00:00:00"}
    return {
        **identity,
        **_FIELDS.get(data_type, _no_fields)(record.id, rng),
        "modifiedDate": codat_date(record.modified),
        "sourceModifiedDate": codat_date(record.source_modified),
        "metadata": {"isDeleted": record.deleted},
    }


def single(key: str, cached: RecordSet) -> dict[str, Any]:
    """Show what is no list, such as a balance sheet; it changes with every fetch."""
    rng = random.Random(f"{key}|{cached.fetches}")
    return {"currency": "GBP", "netAmount": rng.randint(1_000, 900_000) / 100}


def bank_account_of(record: Record) -> str:
    """Return the bank account of a bank transaction; every cache has the first four."""
    return f"bankAccounts-{int(record.id) % 4 + 1}"


def record_property(path: str) -> Callable[[tuple[str, Record]], Any] | None:
    """Return how to query a record's property; an item is (cache key, record)."""
    if path == "modifiedDate":
        return lambda item: item[1].modified
    if path == "sourceModifiedDate":
        return lambda item: item[1].source_modified
    names = path.split(".")
    return (lambda item: _dig(view(*item), names)) if names[0] in _QUERYABLE else None


def _change(record: Record, world: World, rng: random.Random) -> None:
    record.version += 1
    record.deleted = record.deleted or rng.random() < _DELETED_RECORD
    record.modified = world.now
    record.source_modified = world.now - timedelta(seconds=rng.uniform(0, 600))


def _rng(world: World, key: str, fetches: int) -> random.Random:
    return random.Random(f"records:{world.options.seed}:{key}:{fetches}")


def _dig(value: Any, names: list[str]) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return None
    moment = parse_date(value) if isinstance(value, str) and names[-1].endswith("Date") else None
    return moment or value


def _no_fields(_number: str, _rng: random.Random) -> dict[str, Any]:
    return {}


def _invoice(number: str, rng: random.Random) -> dict[str, Any]:
    total = rng.randint(1_000, 900_000) / 100
    return {
        "invoiceNumber": f"INV-{int(number):05}",
        "customerRef": {"id": f"customers-{rng.randint(1, 6)}"},
        "issueDate": f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T00:00:00",
        "currency": "GBP",
        "totalAmount": total,
        "amountDue": rng.choice((0, total)),
        "status": rng.choice(("Submitted", "PartiallyPaid", "Paid")),
    }


def _payment(_: str, rng: random.Random) -> dict[str, Any]:
    return {
        "customerRef": {"id": f"customers-{rng.randint(1, 6)}"},
        "date": f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T00:00:00",
        "currency": "GBP",
        "totalAmount": rng.randint(1_000, 900_000) / 100,
    }


def _party(field: str) -> Callable[[str, random.Random], dict[str, Any]]:
    def fields(number: str, rng: random.Random) -> dict[str, Any]:
        return {
            field: f"Trading partner {number}",
            "emailAddress": f"accounts{rng.randint(1, 99)}@partner-{number}.example",
            "status": rng.choice(("Active", "Archived")),
        }

    return fields


def _bill(number: str, rng: random.Random) -> dict[str, Any]:
    return {
        "reference": f"BILL-{int(number):05}",
        "supplierRef": {"id": f"suppliers-{rng.randint(1, 6)}"},
        "currency": "GBP",
        "totalAmount": rng.randint(1_000, 900_000) / 100,
        "status": rng.choice(("Open", "Paid")),
    }


def _account(number: str, rng: random.Random) -> dict[str, Any]:
    return {
        "name": f"Account {number}",
        "nominalCode": f"{rng.randint(100, 999)}",
        "currentBalance": rng.randint(-100_000, 900_000) / 100,
        "currency": "GBP",
    }


def _bank_transaction(_: str, rng: random.Random) -> dict[str, Any]:
    return {
        "accountId": f"banking-accounts-{rng.randint(1, 4)}",
        "amount": rng.randint(-90_000, 90_000) / 100,
        "currency": "GBP",
        "description": rng.choice(("Card payment", "Transfer", "Direct debit")),
    }


_FIELDS: Final[dict[str, Callable[[str, random.Random], dict[str, Any]]]] = {
    "invoices": _invoice,
    "payments": _payment,
    "customers": _party("customerName"),
    "suppliers": _party("supplierName"),
    "bills": _bill,
    "chartOfAccounts": _account,
    "banking-accounts": _account,
    "banking-transactions": _bank_transaction,
}
_QUERYABLE: Final = frozenset(
    {"id", "metadata"}.union(*(make("1", random.Random(1)) for make in _FIELDS.values()))
)
