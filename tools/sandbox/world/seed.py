"""The seeded client has the same companies, products and settings for the same seed."""

import random
import uuid
from datetime import datetime, timedelta
from typing import Final

from tools.sandbox.options import Options
from tools.sandbox.world.model import (
    ANYONE,
    Company,
    Connection,
    ConnectionFault,
    Dataset,
    Product,
    State,
    SyncSetting,
    SyncSettings,
)
from tools.sandbox.world.platforms import PLATFORMS

CUSTOM: Final = ("invoice-finance", "cashflow-insights")
_PRODUCTS: Final = (
    Product("invoice-finance", "Invoice Finance", True, ["invoices", "payments", "customers"]),
    Product(
        "cashflow-insights",
        "Cashflow Insights",
        True,
        ["payments", "banking-accounts", "banking-transactions"],
    ),
    Product(
        "lending",
        "Lending",
        False,
        ["chartOfAccounts", "customers", "suppliers", "invoices", "bills", "payments"],
    ),
    Product("bank-feeds", "Bank Feeds", False, ["bankAccounts", "bankTransactions"]),
    Product("payables", "Payables", False, ["suppliers", "bills", "billPayments"]),
)
# Data type, hours between fetches (0 is off), fetched on first link.
_SCHEDULES: Final = (
    ("payments", 1, True),
    ("invoices", 24, True),
    ("customers", 24, True),
    ("chartOfAccounts", 24, True),
    ("bills", 168, True),
    ("suppliers", 720, True),
    ("banking-accounts", 168, True),
    ("banking-transactions", 24, True),
    ("items", 0, False),
)
_OVERRIDE: Final = (("payments", 24, True), ("invoices", 168, True), ("items", 0, False))
_FIRST: Final = (
    "Harbour",
    "Juniper",
    "Copper",
    "Meadow",
    "Lantern",
    "Willow",
    "Granite",
    "Thistle",
)
_SECOND: Final = ("Lane", "Row", "Street", "Wharf", "Green", "Hill", "Bridge", "Corner", "Yard")
_TRADE: Final = ("Bakery", "Cycles", "Joinery", "Roasters", "Textiles", "Printing", "Ceramics")
_REGIONS: Final = ("uk", "ie", "fr")
_TROUBLES: Final = ("FetchError", "RateLimitError", "PermissionsError")
_FAILING_TYPE: Final = "customers"


def seeded_state(options: Options, now: datetime) -> State:
    """Return the state at `now`; ids depend on the seed only, times on `now`."""
    settings = SyncSettings([_setting(order, *row) for order, row in enumerate(_SCHEDULES)])
    products = {product.identifier: _copy(product) for product in _PRODUCTS}
    state = State(now, settings, products)
    rng = random.Random(f"seed:{options.seed}")
    for number in range(options.companies):
        company = _company(rng, number, now, products)
        state.companies[company.id] = company
    _make_trouble(state, options.failing_share)
    state.active_companies = sum(_is_active(company) for company in state.companies.values())
    return state


def _company(
    rng: random.Random, number: int, now: datetime, products: dict[str, Product]
) -> Company:
    company = Company(
        id=_uuid(rng),
        name=f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {rng.choice(_TRADE)} Ltd",
        created=now - timedelta(days=rng.randint(60, 400), seconds=rng.randint(0, 86_399)),
        description=f"internal ref CRM-{number:06}",
        created_by="platform-integration@client.example",
        tags={"uid": f"cust_{number:06}", "region": rng.choice(_REGIONS)},
        products=["lending"],
    )
    if number % 2 == 0:
        company.products.append("invoice-finance")
    if number % 4 == 0:
        company.products.append("cashflow-insights")
    if number % 6 == 5:
        company.override = SyncSettings([_setting(n, *row) for n, row in enumerate(_OVERRIDE)])
    _connect(rng, company, number, now)
    for connection in company.connections.values():
        if connection.linked:
            _read_before(rng, company, connection, products, now)
    return company


def _connect(rng: random.Random, company: Company, number: int, now: datetime) -> None:
    """Connect a company: mostly a linked ledger, for every fifth a bank too, for a few no link."""
    ledger = _add(rng, company, ("gbol", "qhyg", "gbol", "fraz")[number % 4])
    if number % 5 == 0:
        _add(rng, company, ("bnkp", "bnkq")[number % 2])
    match number % 20:
        case 7 | 17:
            ledger.status, ledger.linked = "PendingAuth", None
        case 8:
            ledger.status = "Unlinked"
        case 18:
            ledger.status = "Deauthorized"
            text = "The integration de-authorized access to the connection."
            ledger.errors.append(ConnectionFault("401", text, now - timedelta(days=2)))


def _add(rng: random.Random, company: Company, platform_key: str) -> Connection:
    created = company.created + timedelta(minutes=5)
    connection = Connection(
        id=_uuid(rng),
        platform_key=platform_key,
        source_id=_uuid(rng),
        status="Linked",
        created=created,
        linked=created + timedelta(minutes=3),
    )
    company.connections[connection.id] = connection
    return connection


def _read_before(
    rng: random.Random,
    company: Company,
    connection: Connection,
    products: dict[str, Product],
    now: datetime,
) -> None:
    """Record one fetch of each data type within its interval, for all products."""
    platform = PLATFORMS[connection.platform_key]
    intervals = {data_type: hours for data_type, hours, _ in _SCHEDULES if hours}
    for data_type, hours in intervals.items():
        if not platform.offers(data_type):
            continue
        # Spread out, with nothing due in the first minutes: a start must not be a storm.
        requested = now - timedelta(hours=0.9 * rng.uniform(0, min(hours, 24)), minutes=1)
        dataset = Dataset(
            id=_uuid(rng),
            read_id=_uuid(rng),
            connection_id=connection.id,
            data_type=data_type,
            requested=requested,
            ends=requested,
            outcome="NotSupported" if data_type in platform.lacks else "Complete",
            completed=requested + timedelta(seconds=rng.uniform(5, 50)),
        )
        company.datasets[dataset.id] = dataset
        company.latest[dataset.key] = dataset.id
        if dataset.outcome != "Complete":
            continue
        company.latest_complete[dataset.key] = dataset.id
        readers = [
            identifier
            for identifier in company.products
            if data_type in products[identifier].data_types
        ]
        for reader in [
            ANYONE,
            *(identifier for identifier in readers if products[identifier].custom),
        ]:
            company.marks.setdefault(reader, {})[dataset.key] = requested
        connection.last_sync = max(connection.last_sync or requested, dataset.completed or now)
        company.last_sync = max(company.last_sync or requested, connection.last_sync)


def _make_trouble(state: State, share: float) -> None:
    """Make one data type fail at every read, for some companies with a linked ledger."""
    # Counted from the end, because people try things with the first companies.
    linked = [company for company in reversed(state.companies.values()) if _is_active(company)]
    wanted = round(share * len(linked))
    for number, company in enumerate(linked[:: max(1, len(linked) // max(1, wanted))][:wanted]):
        company.trouble[_FAILING_TYPE] = _TROUBLES[number % len(_TROUBLES)]


def _setting(order: int, data_type: str, hours: int, on_first_link: bool) -> SyncSetting:
    window = 24 if data_type in {"invoices", "payments", "bills"} else None
    return SyncSetting(data_type, on_first_link, hours, order, sync_from_window=window)


def _copy(product: Product) -> Product:
    return Product(product.identifier, product.name, product.custom, list(product.data_types))


def _is_active(company: Company) -> bool:
    return any(connection.status == "Linked" for connection in company.connections.values())


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
