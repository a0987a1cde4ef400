"""The state of companies and their data is plain data, so that it can be saved."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

# The mark of the last fetch by any product, beside the marks of each product.
ANYONE: Final = ""


@dataclass(slots=True)
class SyncSetting:
    """The schedule of one data type; `sync_schedule` in hours, 0 is off."""

    data_type: str
    fetch_on_first_link: bool
    sync_schedule: int
    sync_order: int
    sync_from_utc: str | None = None
    sync_from_window: int | None = None
    months_to_sync: int | None = None
    is_locked: bool | None = None


@dataclass(slots=True)
class SyncSettings:
    """One level of settings: the client's, or a company's override."""

    settings: list[SyncSetting]
    overrides_defaults: bool = True


@dataclass(slots=True)
class Product:
    """A product, custom ones being this client's; `sync_schedule` in hours, 0 is off."""

    identifier: str
    name: str
    custom: bool
    data_types: list[str]
    sync_schedule: int = 0


@dataclass(slots=True)
class ConnectionFault:
    """One entry of `dataConnectionErrors`."""

    status_code: str
    text: str
    at: datetime


@dataclass(slots=True)
class Connection:
    """A company's link to one platform."""

    id: str
    platform_key: str
    source_id: str
    status: str
    created: datetime
    linked: datetime | None = None
    last_sync: datetime | None = None
    errors: list[ConnectionFault] = field(default_factory=list)


@dataclass(slots=True)
class Dataset:
    """One fetch of one data type on one connection (`PullOperation` of the API)."""

    id: str
    read_id: str
    connection_id: str
    data_type: str
    requested: datetime
    # When it ends if nothing intervenes; None while it is held by hand.
    ends: datetime | None
    # The status that it ends with, now or later.
    outcome: str
    completed: datetime | None = None
    has_warnings: bool = False

    @property
    def key(self) -> str:
        """Return the key of what it fetches: a data type of one connection."""
        return f"{self.connection_id}|{self.data_type}"


@dataclass(slots=True)
class Read:
    """One read operation: several datasets, one lock, one event at its end.

    `product` is None for reads under client-level settings and of standard products. `bounds`
    has, by dataset key, since when its data is new; the oldest becomes modifiedFromDate.
    """

    id: str
    company_id: str
    product: str | None
    initial: bool
    started: datetime
    bounds: dict[str, datetime | None]
    dataset_ids: list[str]
    unfinished: int


@dataclass(slots=True)
class Company:
    """A company with everything that Codat keeps for it."""

    id: str
    name: str
    created: datetime
    description: str | None = None
    created_by: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    products: list[str] = field(default_factory=list)
    connections: dict[str, Connection] = field(default_factory=dict)
    override: SyncSettings | None = None
    last_sync: datetime | None = None
    # Per product (and ANYONE): dataset key → start of the last fetch that ended Complete.
    marks: dict[str, dict[str, datetime]] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    latest_complete: dict[str, str] = field(default_factory=dict)
    reads: dict[str, Read] = field(default_factory=dict)
    # Data types that keep failing → the status that their fetches end with.
    trouble: dict[str, str] = field(default_factory=dict)
    # Schedule ("" is the client-level one) → the number of its valid agenda entry.
    plans: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """One record in Codat's cache; its fields derive from id and version."""

    id: str
    version: int
    modified: datetime
    source_modified: datetime
    deleted: bool = False


@dataclass(slots=True)
class RecordSet:
    """The cache of one data type on one connection."""

    records: list[Record]
    last_modified: datetime
    fetches: int = 0


@dataclass(order=True, slots=True)
class AgendaEntry:
    """Something that happens at a time; `kind` names its rule."""

    due: datetime
    number: int
    kind: str = field(compare=False)
    args: dict[str, str] = field(compare=False)


@dataclass(slots=True)
class Quota:
    """The daily request quota; `daily` None means Codat's formula."""

    used: int = 0
    daily: int | None = None
    day: str = ""
    reached: bool = False
    retry_after_as_date: bool = False


@dataclass(slots=True)
class State:
    """Everything that Codat knows about this client, without its webhooks."""

    now: datetime
    client_settings: SyncSettings
    products: dict[str, Product]
    companies: dict[str, Company] = field(default_factory=dict)
    records: dict[str, RecordSet] = field(default_factory=dict)
    agenda: list[AgendaEntry] = field(default_factory=list)
    last_entry: int = 0
    active_companies: int = 0
    quota: Quota = field(default_factory=Quota)
