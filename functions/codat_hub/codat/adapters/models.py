"""Codat's answers as objects, read leniently (docs/codat.md, C6).

New fields, data types and statuses are not breaking changes to Codat: unknown
fields are kept, enumerations are strings, and only what we cannot work without is required.
Dates keep the text they came with (`CodatTime`).
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


def _told(value: object) -> object:
    """Without the nulls in it: an entry that says nothing must not cost a page of companies."""
    match value:
        case list() | tuple():
            return tuple(entry for entry in value if entry is not None)
        case dict():
            return {name: entry for name, entry in value.items() if entry is not None}
        case _:
            return value


type Told[T] = Annotated[T, BeforeValidator(_told)]
type Listed[T] = Annotated[
    tuple[T, ...], BeforeValidator(lambda value: () if value is None else _told(value))
]


class Wire(BaseModel):
    """camelCase on the wire, snake_case here, unknown fields kept in `model_extra`."""

    model_config = ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True
    )


class Href(Wire):
    href: str | None = None


class Links(Wire):
    next: Href | None = None


class WirePage[T](Wire):
    """One page. `_links` and `results` are required: without them it must not pass for the last."""

    results: tuple[T, ...]
    links: Links = Field(alias="_links")
    page_number: int | None = None
    page_size: int | None = None
    total_results: int | None = None

    @property
    def has_next(self) -> bool:
        return self.links.next is not None


class WireConnection(Wire):
    """`status`: PendingAuth, Linked, Unlinked, Deauthorized, one we do not know yet, or None."""

    id: str
    status: str | None
    integration_id: str | None = None
    integration_key: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    platform_name: str | None = None
    link_url: str | None = Field(default=None, repr=False)  # opens the company's authorisation
    created: Moment | None = None
    last_sync: Moment | None = None


class WireCompany(Wire):
    """`products`: None when the answer did not say, which is not the same as none assigned."""

    id: str
    name: str | None = None
    description: str | None = None
    redirect: str | None = Field(default=None, repr=False)  # opens the company's authorisation
    created: Moment | None = None
    last_sync: Moment | None = None
    products: Told[tuple[str, ...] | None] = None
    tags: Told[dict[str, str] | None] = None
    data_connections: Listed[WireConnection] = ()


class SyncSetting(Wire):
    """One data type's client-level setting; `sync_schedule` in hours (docs/codat.md, C64)."""

    data_type: str
    sync_schedule: int
    fetch_on_first_link: bool | None = None
    sync_order: int | None = None
    sync_from_utc: Moment | None = None
    sync_from_window: int | None = None
    months_to_sync: int | None = None
    is_locked: bool | None = None

    def wire(self) -> dict[str, Any]:
        """As it came, unknown fields and nulls included, but for what `model_copy` changed."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class SyncSettings(Wire):
    """What the client's and a company's settings share."""

    settings: tuple[SyncSetting, ...]
    # Codat's default, for null too, and required when posting (docs/codat.md, C64).
    overrides_defaults: Annotated[
        bool, BeforeValidator(lambda value: True if value is None else value)
    ] = True

    def _wire(self) -> dict[str, Any]:
        return {
            "settings": [setting.wire() for setting in self.settings],
            "overridesDefaults": self.overrides_defaults,
        }


class ClientSyncSettings(SyncSettings):
    """GET and POST /profile/syncSettings."""

    client_id: str

    def wire(self) -> dict[str, Any]:
        """The body to post: the three documented fields, each setting as it came."""
        return {"clientId": self.client_id, **self._wire()}


class CompanySyncSettings(SyncSettings):
    """GET and POST /companies/{companyId}/syncSettings."""

    company_id: str

    def wire(self) -> dict[str, Any]:
        """The body to post: the three documented fields, each setting as it came."""
        return {"companyId": self.company_id, **self._wire()}


class DataStatus(Wire):
    """`current_status` is missing for a data type that was never synced (docs/codat.md, C51)."""

    data_type: str | None = None
    current_status: str | None = None
    last_successful_sync: Moment | None = None
    latest_sync_id: str | None = None
    latest_successful_sync_id: str | None = None


def _only_entries(value: object) -> object:
    """Keep what can be a status: an object or null, under any data type."""
    if not isinstance(value, dict):
        return value
    return {name: entry for name, entry in value.items() if entry is None or type(entry) is dict}


class DataStatuses(
    RootModel[Annotated[dict[str, DataStatus | None], BeforeValidator(_only_entries)]]
):
    """Per company, by data type; an entry may be null (docs/codat.md, C51)."""


class PullOperation(Wire):
    """One read of one data type of one connection, once called dataset."""

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
    """`disabled` may be null, which means false."""

    id: str
    url: str
    disabled: Annotated[bool, BeforeValidator(lambda value: value or False)] = False
    event_types: Listed[str] = ()
    company_tags: Listed[str] = ()


class WebhookConsumers(Wire):
    """At most 50, not paged."""

    results: tuple[WebhookConsumer, ...]
