"""Codat's Platform API as the hub uses it: one method for each call, without retries or rules.

Every method returns an Answer (value, status, quota) or raises a subclass of `errors.CallFailed`.
POST calls take the caller's idempotency key; GET, PUT and DELETE cannot (docs/codat.md, C15).
A test compares the method, path, query and body of each call with Codat's SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codat_hub.codat.adapters import models
from codat_hub.codat.adapters.answers import Call
from codat_hub.codat.adapters.pages import every
from codat_hub.codat.adapters.paths import path, query_string
from codat_hub.codat.adapters.reading import done, parsed
from codat_hub.codat.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from codat_hub.codat.adapters.answers import Answer
    from codat_hub.codat.adapters.elements import Unread
    from codat_hub.codat.adapters.transport import Transport

PAGE_SIZE = 100  # what Codat recommends for latency (docs/codat.md, C8)
SYNC_SETTINGS = path("profile", "syncSettings")


class CodatClient:
    """The client, created once in a process: `CodatClient(Transport(new_http(), SecretKey(…)))`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # companies

    def companies_page(
        self, page: int = 1, *, query: str | None = None, order_by: str | None = None
    ) -> Answer[models.WirePage[models.WireCompany]]:
        """Return a page of 100 companies, with their products and connections."""
        return self._page(
            models.WirePage[models.WireCompany], path("companies"), page, query, order_by
        )

    def companies(
        self, *, query: str | None = None, order_by: str | None = None
    ) -> Iterator[models.WireCompany | Unread]:
        """Yield every company; a call for each 100 is made when they are asked for."""
        return every(lambda page: self.companies_page(page, query=query, order_by=order_by))

    def company(self, company_id: str) -> Answer[models.WireCompany]:
        return self._get(models.WireCompany, path("companies", company_id))

    def create_company(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        products: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer[models.WireCompany]:
        """Create a company; `products` only where the client wants it (docs/codat.md, C55)."""
        body = _given(
            name=name,
            description=description,
            tags=tags and dict(tags),
            products=products and list(products),
        )
        call = Call("POST", path("companies"), body, idempotency_key)
        return parsed(call, self._transport.send(call), models.WireCompany)

    # a company's products

    def add_product(self, company_id: str, product: str) -> Answer[None]:
        return self._do(Call("PUT", path("companies", company_id, "products", product)))

    def remove_product(self, company_id: str, product: str) -> Answer[None]:
        return self._do(Call("DELETE", path("companies", company_id, "products", product)))

    def refresh_product(
        self,
        company_id: str,
        product: str,
        data_types: Sequence[str] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Answer[None]:
        """Ask for a read of a custom product: all its data types, or the given ones (at least one).

        Raises Busy while a read is in progress, Permanent for a standard product.
        """
        if data_types is not None and not data_types:
            raise Permanent("not sent: a refresh of no data types")
        target = path("companies", company_id, "products", product, "refresh")
        body = None if data_types is None else {"dataTypes": list(data_types)}
        return self._do(Call("POST", target, body, idempotency_key))

    # connections

    def connections_page(
        self, company_id: str, page: int = 1, *, query: str | None = None
    ) -> Answer[models.WirePage[models.WireConnection]]:
        target = path("companies", company_id, "connections")
        return self._page(models.WirePage[models.WireConnection], target, page, query, None)

    def connections(self, company_id: str) -> Iterator[models.WireConnection | Unread]:
        return every(lambda page: self.connections_page(company_id, page))

    # sync settings

    def client_sync_settings(self) -> Answer[models.ClientSyncSettings]:
        return self._get(models.ClientSyncSettings, SYNC_SETTINGS)

    def client_schedules(self) -> Answer[models.WireSchedules]:
        """Return the client's schedules alone, which one odd setting does not hide."""
        return self._get(models.WireSchedules, SYNC_SETTINGS)

    def set_client_sync_settings(
        self, settings: models.ClientSyncSettings, *, idempotency_key: str | None = None
    ) -> Answer[None]:
        """Post the client's settings, always the complete list (docs/codat.md, C66)."""
        return self._do(Call("POST", SYNC_SETTINGS, settings.wire(), idempotency_key))

    def company_sync_settings(self, company_id: str) -> Answer[models.CompanySyncSettings]:
        return self._get(models.CompanySyncSettings, path("companies", company_id, "syncSettings"))

    def company_schedules(self, company_id: str) -> Answer[models.WireSchedules]:
        """Return a company's schedules alone, which one odd setting does not hide."""
        return self._get(models.WireSchedules, path("companies", company_id, "syncSettings"))

    def set_company_sync_settings(
        self, settings: models.CompanySyncSettings, *, idempotency_key: str | None = None
    ) -> Answer[None]:
        """Post a company's settings, always the complete list (docs/codat.md, C66)."""
        target = path("companies", settings.company_id, "syncSettings")
        return self._do(Call("POST", target, settings.wire(), idempotency_key))

    # data: status, history, and the refreshes of client-level settings

    def data_status(self, company_id: str) -> Answer[models.DataStatuses]:
        return self._get(models.DataStatuses, path("companies", company_id, "dataStatus"))

    def history_page(
        self,
        company_id: str,
        page: int = 1,
        *,
        query: str | None = None,
        order_by: str | None = None,
    ) -> Answer[models.WirePage[models.PullOperation]]:
        target = path("companies", company_id, "data", "history")
        return self._page(models.WirePage[models.PullOperation], target, page, query, order_by)

    def history(
        self, company_id: str, *, query: str | None = None, order_by: str | None = None
    ) -> Iterator[models.PullOperation | Unread]:
        return every(
            lambda page: self.history_page(company_id, page, query=query, order_by=order_by)
        )

    def refresh_all(self, company_id: str, *, idempotency_key: str | None = None) -> Answer[None]:
        """Ask for the data types with `fetchOnFirstLink` (client-level; docs/codat.md, C23)."""
        target = path("companies", company_id, "data", "all")
        return self._do(Call("POST", target, None, idempotency_key))

    def refresh_data_type(
        self,
        company_id: str,
        data_type: str,
        *,
        connection_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Answer[models.PullOperation]:
        """Ask for a data type (client-level). Raises Busy if it is queued (docs/codat.md, C21)."""
        target = path("companies", company_id, "data", "queue", data_type)
        query = query_string({"connectionId": connection_id})
        call = Call("POST", target + query, None, idempotency_key)
        return parsed(call, self._transport.send(call), models.PullOperation)

    # webhook consumers: list, create, delete; Codat has no other call for them

    def webhook_consumers(self) -> Answer[models.WebhookConsumers]:
        """Return all consumers, 50 at most."""
        return self._get(models.WebhookConsumers, path("webhooks"))

    def create_webhook_consumer(
        self,
        url: str,
        event_types: Sequence[str],
        *,
        disabled: bool | None = None,
        company_tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer[models.WebhookConsumer]:
        """Create a consumer; the answer has no signing secret, which only the Portal shows."""
        body = _given(
            url=url,
            eventTypes=list(event_types),
            disabled=disabled,
            companyTags=company_tags and list(company_tags),
        )
        call = Call("POST", path("webhooks"), body, idempotency_key)
        return parsed(call, self._transport.send(call), models.WebhookConsumer)

    def delete_webhook_consumer(self, consumer_id: str) -> Answer[None]:
        return self._do(Call("DELETE", path("webhooks", consumer_id)))

    # the API key

    def client_id(self) -> str:
        """Return the id of the client that the API key belongs to (docs/codat.md, C2)."""
        return self._get(models.ClientIdentity, SYNC_SETTINGS).value.client_id

    def key_version(self) -> str:
        """Return a name of the next call's API key, not the key. Raises TryLater, Unauthorized."""
        return self._transport.key_version()

    def forget_key(self) -> None:
        """Read the API key again for the next call, such as after Unauthorized."""
        self._transport.forget_key()

    def _get[M: BaseModel](self, model: type[M], target: str) -> Answer[M]:
        call = Call("GET", target)
        return parsed(call, self._transport.send(call), model)

    def _page[M: BaseModel](
        self, model: type[M], target: str, page: int, query: str | None, order_by: str | None
    ) -> Answer[M]:
        parameters = {"page": page, "pageSize": PAGE_SIZE, "query": query, "orderBy": order_by}
        return self._get(model, target + query_string(parameters))

    def _do(self, call: Call) -> Answer[None]:
        return done(call, self._transport.send(call))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
