"""Codat's API for a migration: settings as their JSON, consumers as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.adapters import models
from codat_hub.codat.domain.data_types import IN_PROGRESS
from codat_hub.codat.errors import Forbidden, NotFound, NotUnderstood, Permanent
from codat_hub.companies.domain.company import LINKED
from codat_hub.migration.domain.chunk import ListedCompany
from codat_hub.migration.domain.consumers import Consumer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from codat_hub.codat.adapters.client import CodatClient

_RUNNING_QUERY: Final = "||".join(f"status={status}" for status in IN_PROGRESS)
_PROBE: Final = "codat-hub-probe"  # no product has this name


class MigrationCalls:
    """The calls of a migration. Each raises a subclass of CallFailed if it fails."""

    def __init__(self, client: CodatClient) -> None:
        self._codat = client

    def companies_page(self, page: int) -> tuple[list[ListedCompany], bool]:
        """Return a page of companies, the oldest first, and whether there are more pages."""
        answer = self._codat.companies_page(page, order_by="created").value
        return [_listed(company) for company in _all(answer)], answer.has_next

    def company(self, company_id: str) -> ListedCompany | None:
        """Return a company, None if Codat does not have it (any more)."""
        try:
            return _listed(self._codat.company(company_id).value)
        except NotFound:
            return None

    def client_settings(self) -> dict[str, Any]:
        return self._codat.client_sync_settings().value.wire()

    def set_client_settings(self, settings: Mapping[str, Any], key: str) -> None:
        body = models.ClientSyncSettings.model_validate(settings)
        self._codat.set_client_sync_settings(body, idempotency_key=key)

    def company_settings(self, company_id: str) -> dict[str, Any] | None:
        """Return a company's settings, None if Codat does not have it (any more)."""
        try:
            return self._codat.company_sync_settings(company_id).value.wire()
        except NotFound:
            return None

    def set_company_settings(self, settings: Mapping[str, Any], key: str) -> None:
        body = models.CompanySyncSettings.model_validate(settings)
        self._codat.set_company_sync_settings(body, idempotency_key=key)

    def running_reads(self, company_id: str, before: datetime) -> int:
        """Count the running reads that were requested before a time; 0 if the company is gone."""
        try:
            page = self._codat.history_page(company_id, query=_RUNNING_QUERY).value
        except NotFound:
            return 0
        requested = (read.requested.moment for read in page.results if read.status in IN_PROGRESS)
        # a read that cannot be read may be running
        running = sum(moment is None or moment < before for moment in requested)
        return len(page.unreadable) + running

    def consumers(self) -> list[Consumer]:
        return [_consumer(consumer) for consumer in _all(self._codat.webhook_consumers().value)]

    def create_consumer(
        self, url: str, event_types: Sequence[str], tags: Sequence[str], key: str
    ) -> Consumer:
        created = self._codat.create_webhook_consumer(
            url, event_types, company_tags=tags or None, idempotency_key=key
        )
        return _consumer(created.value)

    def delete_consumer(self, consumer_id: str) -> bool:
        """Delete a consumer. Tells whether it was there."""
        try:
            self._codat.delete_webhook_consumer(consumer_id)
        except NotFound:
            return False
        return True

    def add_product(self, company_id: str, product: str) -> None:
        self._codat.add_product(company_id, product)

    def remove_product(self, company_id: str, product: str) -> bool:
        """Remove a product. Tells whether Codat had it; a 404 is false (docs/codat.md, C57)."""
        try:
            self._codat.remove_product(company_id, product)
        except NotFound:
            return False
        return True

    def products_are_enabled(self, company_id: str) -> str | None:
        """Return why this client may not use the product endpoints, None if it may.

        It removes a product that does not exist, which changes nothing (docs/codat.md, C56).
        """
        try:
            self._codat.remove_product(company_id, _PROBE)
        except (NotFound, Permanent):
            return None
        except Forbidden as refusal:
            return str(refusal)
        return None


def _all[T](page: models.Results[T]) -> tuple[T, ...]:
    """Return a page's elements. Raises NotUnderstood: a migration leaves none out unseen."""
    for unread in page.unreadable:
        raise NotUnderstood(f"cannot read {unread.id or 'an element'} of the list ({unread.fault})")
    return page.results


def _listed(company: models.WireCompany) -> ListedCompany:
    linked = any(connection.status == LINKED for connection in company.connections)
    return ListedCompany(company.id, linked, company.products or (), company.tags or {})


def _consumer(wire: models.WebhookConsumer) -> Consumer:
    return Consumer(wire.id, wire.url, wire.event_types, wire.company_tags, wire.disabled)
