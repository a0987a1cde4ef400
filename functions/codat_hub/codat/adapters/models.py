"""Codat's answers as objects, read leniently (docs/codat.md, C6).

For Codat, new fields, data types and statuses are no breaking change. So unknown fields are kept,
enumerations are texts, and only fields that the hub cannot do without are required. Dates keep
Codat's text (CodatTime).
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    RootModel,
)
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from codat_hub.codat.adapters.elements import Element, Unread, readable, unreadable
from codat_hub.codat.adapters.paths import is_segment
from codat_hub.codat.domain.codat_time import CodatTime

Moment = Annotated[
    CodatTime,
    GetPydanticSchema(
        lambda _type, _handler: core_schema.no_info_after_validator_function(
            CodatTime, core_schema.str_schema()
        )
    ),
]


def _without_nulls(value: object) -> object:
    """Drop the nulls from a list or object: one of them must not cost a page of companies."""
    match value:
        case list() | tuple():
            return tuple(entry for entry in value if entry is not None)
        case dict():
            return {name: entry for name, entry in value.items() if entry is not None}
        case _:
            return value


def _segment(text: str) -> str:
    if not is_segment(text):
        raise ValueError("no call can name it")
    return text


def _url(text: str) -> str:
    urlsplit(text)  # raises ValueError, for some hosts
    return text


# The hub stores these texts; a longer one could fill an item of DynamoDB.
Short = Annotated[str, Field(max_length=200)]
Id = Annotated[str, AfterValidator(_segment)]
type WithoutNulls[T] = Annotated[T, BeforeValidator(_without_nulls)]
type Listed[T] = Annotated[
    tuple[T, ...], BeforeValidator(lambda value: () if value is None else _without_nulls(value))
]


class Wire(BaseModel):
    """A model in camelCase at Codat and snake_case here; `model_extra` keeps unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True
    )


class Href(Wire):
    href: str | None = None


class Links(Wire):
    next: Href | None = None


class Results[T](Wire):
    """A list; `entries` are its elements, with the unreadable ones in their place."""

    entries: tuple[Element[T], ...] = Field(alias="results")

    @property
    def results(self) -> tuple[T, ...]:
        """Return the elements that can be read."""
        return readable(self.entries)

    @property
    def unreadable(self) -> tuple[Unread, ...]:
        """Return the elements that cannot be read."""
        return unreadable(self.entries)


class WirePage[T](Results[T]):
    """A page. Without `_links` and `results` it is refused, so as not to pass for the last one."""

    links: Links = Field(alias="_links")
    page_number: int | None = None
    page_size: int | None = None
    total_results: int | None = None

    @property
    def has_next(self) -> bool:
        """Tell whether there is a next page."""
        return self.links.next is not None


class WireConnection(Wire):
    """A connection; `status` is Codat's, perhaps one that the hub does not know, or None."""

    id: Short
    status: Short | None
    integration_id: str | None = None
    integration_key: Short | None = None
    source_id: str | None = None
    source_type: Short | None = None
    platform_name: Short | None = None
    link_url: str | None = Field(default=None, repr=False)  # a secret: opens the authorisation
    created: Moment | None = None
    last_sync: Moment | None = None


class WireCompany(Wire):
    """A company. `data_connections` is None when the answer does not name them, () without any."""

    id: Id
    name: str | None = None
    description: str | None = None
    redirect: str | None = Field(default=None, repr=False)  # a secret: opens the authorisation
    created: Moment | None = None
    last_sync: Moment | None = None
    named_products: tuple[Short | None, ...] | None = Field(default=None, alias="products")
    tags: WithoutNulls[dict[str, str] | None] = None
    data_connections: tuple[Element[WireConnection], ...] | None = None

    @property
    def products(self) -> tuple[str, ...] | None:
        """Return the products; None when the answer does not name them all, () without any."""
        named = self.named_products
        if named is None:
            return None
        told = tuple(product for product in named if product is not None)
        return told if len(told) == len(named) else None

    @property
    def connections(self) -> tuple[WireConnection, ...]:
        """Return the connections that can be read."""
        return readable(self.data_connections or ())

    @property
    def unread(self) -> tuple[str, ...]:
        """Return the places in the company that cannot be read; a null in a list is one."""
        parts = unreadable(self.data_connections or ())
        places = [f"dataConnections: {part.fault}" for part in parts]
        places += ["dataConnections.status: null" for known in self.connections if not known.status]
        if self.products is None and self.named_products is not None:
            places.append("products: null")
        return tuple(dict.fromkeys(places))


class SyncSetting(Wire):
    """A data type's setting; `sync_schedule` in hours (docs/codat.md, C64)."""

    data_type: str
    sync_schedule: int
    fetch_on_first_link: bool | None = None
    sync_order: int | None = None
    sync_from_utc: Moment | None = None
    sync_from_window: int | None = None
    months_to_sync: int | None = None
    is_locked: bool | None = None

    def wire(self) -> dict[str, Any]:
        """Return the setting as it came, with unknown fields and nulls, and with later changes."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class SyncSettings(Wire):
    """The fields that the client's and a company's settings share."""

    settings: tuple[SyncSetting, ...]
    # A POST requires it. True is Codat's default, for null too (docs/codat.md, C64).
    overrides_defaults: Annotated[
        bool, BeforeValidator(lambda value: True if value is None else value)
    ] = True

    def _wire(self) -> dict[str, Any]:
        return {
            "settings": [setting.wire() for setting in self.settings],
            "overridesDefaults": self.overrides_defaults,
        }


class ClientIdentity(Wire):
    """The client's id, out of its settings, whatever else they hold."""

    client_id: str


class WireSchedule(Wire):
    """The schedule of a data type, out of its setting, for a reader that posts nothing back."""

    data_type: str
    sync_schedule: int


class WireSchedules(Wire):
    """The client's or a company's schedules; `settings` is None when the answer has a null."""

    settings: tuple[Element[WireSchedule], ...] | None
    overrides_defaults: bool | None = None


class ClientSyncSettings(SyncSettings):
    """The client-level settings: GET and POST /profile/syncSettings."""

    client_id: str

    def wire(self) -> dict[str, Any]:
        """Return the body to post: the three documented fields, each setting as it came."""
        return {"clientId": self.client_id, **self._wire()}


class CompanySyncSettings(SyncSettings):
    """A company's settings: GET and POST /companies/{companyId}/syncSettings."""

    company_id: str

    def wire(self) -> dict[str, Any]:
        """Return the body to post: the three documented fields, each setting as it came."""
        return {"companyId": self.company_id, **self._wire()}


class DataStatus(Wire):
    """A data type's status; `current_status` is None before its first read (docs/codat.md, C51)."""

    data_type: str | None = None
    current_status: str | None = None
    last_successful_sync: Moment | None = None
    latest_sync_id: str | None = None
    latest_successful_sync_id: str | None = None


def _only_entries(value: object) -> object:
    """Keep the entries that can be a status: an object or null."""
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if entry is None or type(entry) is dict}


class DataStatuses(
    RootModel[Annotated[dict[str, Element[DataStatus] | None], BeforeValidator(_only_entries)]]
):
    """A company's statuses by data type; an entry may be null (docs/codat.md, C51)."""


class PullOperation(Wire):
    """A read of one data type of one connection; Codat's older name is dataset."""

    id: str
    data_type: str
    status: str
    requested: Moment
    company_id: str | None = None
    connection_id: str | None = None
    completed: Moment | None = None
    progress: float | None = None  # percent
    is_completed: bool | None = None
    is_errored: bool | None = None
    status_description: str | None = None
    error_message: str | None = None


class WebhookConsumer(Wire):
    """A webhook consumer; in an answer `disabled` may be null, which means false."""

    id: str
    url: Annotated[str, AfterValidator(_url)]
    disabled: Annotated[bool, BeforeValidator(lambda value: value or False)] = False
    named_event_types: tuple[str | None, ...] | None = Field(default=None, alias="eventTypes")
    company_tags: Listed[str] = ()

    @property
    def event_types(self) -> tuple[str, ...]:
        """Return the event types that the answer names."""
        return tuple(kind for kind in self.named_event_types or () if kind is not None)

    @property
    def complete(self) -> bool:
        """Tell whether the answer names every event type of the consumer."""
        return len(self.event_types) == len(self.named_event_types or (None,))


class WebhookConsumers(Results[WebhookConsumer]):
    """All webhook consumers, 50 at most, in one page."""
