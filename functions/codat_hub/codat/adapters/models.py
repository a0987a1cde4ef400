"""Codat's answers as objects, read leniently (docs/codat.md, C6).

For Codat, new fields, data types and statuses are no breaking change. So unknown fields are kept,
enumerations are texts, and only fields that the hub cannot do without are required. Dates keep
Codat's text (CodatTime).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema, RootModel
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

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


class WirePage[T](Wire):
    """A page. Without `_links` and `results` it is refused, so as not to pass for the last one."""

    results: tuple[T, ...]
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

    id: str
    status: str | None
    integration_id: str | None = None
    integration_key: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    platform_name: str | None = None
    link_url: str | None = Field(default=None, repr=False)  # a secret: opens the authorisation
    created: Moment | None = None
    last_sync: Moment | None = None


class WireCompany(Wire):
    """A company; `products` is None when the answer does not name them, () when it has none."""

    id: str
    name: str | None = None
    description: str | None = None
    redirect: str | None = Field(default=None, repr=False)  # a secret: opens the authorisation
    created: Moment | None = None
    last_sync: Moment | None = None
    products: WithoutNulls[tuple[str, ...] | None] = None
    tags: WithoutNulls[dict[str, str] | None] = None
    data_connections: Listed[WireConnection] = ()


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
    RootModel[Annotated[dict[str, DataStatus | None], BeforeValidator(_only_entries)]]
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
    url: str
    disabled: Annotated[bool, BeforeValidator(lambda value: value or False)] = False
    event_types: Listed[str] = ()
    company_tags: Listed[str] = ()


class WebhookConsumers(Wire):
    """All webhook consumers, 50 at most, in one page."""

    results: tuple[WebhookConsumer, ...]
