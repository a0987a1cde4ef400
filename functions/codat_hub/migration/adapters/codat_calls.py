"""Codat as a migration sees it: settings as the JSON they are, consumers as ours, calls paced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.adapters import models
from codat_hub.codat.domain.data_types import IN_PROGRESS
from codat_hub.codat.errors import Forbidden, NotFound, NotUnderstood, Permanent
from codat_hub.companies.domain.company import LINKED
from codat_hub.migration.domain.chunk import ListedCompany
from codat_hub.migration.domain.consumers import Consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from codat_hub.codat.adapters.client import CodatClient

_RUNNING_QUERY: Final = "||".join(f"status={one}" for one in IN_PROGRESS)
_PROBE: Final = "codat-hub-probe"  # no product is called so


class CallPacer:
    """Lets a caller begin a call at most every `spacing` seconds. One per process."""

    def __init__(
        self,
        spacing: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spacing = spacing
        self._sleep = sleep
        self._clock = clock
        self._next = float("-inf")

    def __call__(self) -> None:
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._spacing


class MigrationCalls:
    """Raises the subclasses of CallFailed, as the client does."""

    def __init__(self, client: CodatClient, pace: Callable[[], None]) -> None:
        self._codat = client
        self._pace = pace

    def companies_page(self, page: int) -> tuple[list[ListedCompany], bool]:
        """Return a page of 100 by age, and whether there are more: new ones come at the end."""
        self._pace()
        answer = self._codat.companies_page(page, order_by="created").value
        return [_found(one) for one in _all(answer)], answer.has_next

    def company(self, company_id: str) -> ListedCompany | None:
        """Return None for one that Codat does not have (any more)."""
        self._pace()
        try:
            return _found(self._codat.company(company_id).value)
        except NotFound:
            return None

    def client_settings(self) -> dict[str, Any]:
        self._pace()
        return self._codat.client_sync_settings().value.wire()

    def set_client_settings(self, settings: Mapping[str, Any], key: str) -> None:
        self._pace()
        body = models.ClientSyncSettings.model_validate(settings)
        self._codat.set_client_sync_settings(body, idempotency_key=key)

    def company_settings(self, company_id: str) -> dict[str, Any] | None:
        """Return None for a company that Codat does not have (any more)."""
        self._pace()
        try:
            return self._codat.company_sync_settings(company_id).value.wire()
        except NotFound:
            return None

    def set_company_settings(self, settings: Mapping[str, Any], key: str) -> None:
        self._pace()
        body = models.CompanySyncSettings.model_validate(settings)
        self._codat.set_company_sync_settings(body, idempotency_key=key)

    def running_reads(self, company_id: str, before: datetime) -> int:
        """Count reads that were asked for before a time and are not over; none if it is gone."""
        self._pace()
        try:
            page = self._codat.history_page(company_id, query=_RUNNING_QUERY).value
        except NotFound:
            return 0
        asked = (one.requested.moment for one in page.results if one.status in IN_PROGRESS)
        # a read that cannot be read may be running
        return len(page.unreadable) + sum(at is None or at < before for at in asked)

    def consumers(self) -> list[Consumer]:
        self._pace()
        return [_consumer(one) for one in _all(self._codat.webhook_consumers().value)]

    def create_consumer(
        self,
        url: str,
        event_types: Sequence[str],
        tags: Sequence[str],
        key: str,
        *,
        disabled: bool = False,
    ) -> Consumer:
        self._pace()
        answer = self._codat.create_webhook_consumer(
            url,
            event_types,
            company_tags=tags or None,
            disabled=disabled or None,
            idempotency_key=key,
        )
        return _consumer(answer.value)

    def delete_consumer(self, consumer_id: str) -> bool:
        """Tell whether it was there."""
        self._pace()
        try:
            self._codat.delete_webhook_consumer(consumer_id)
        except NotFound:
            return False
        return True

    def add_product(self, company_id: str, product: str) -> None:
        self._pace()
        self._codat.add_product(company_id, product)

    def remove_product(self, company_id: str, product: str) -> bool:
        """Tell whether Codat had it; a 404 may be about the company (docs/codat.md, C57)."""
        self._pace()
        try:
            self._codat.remove_product(company_id, product)
        except NotFound:
            return False
        return True

    def products_are_enabled(self, company_id: str) -> str | None:
        """Return why the product endpoints are closed to this client, or None (docs/codat.md, C56).

        Asked by removing a product that does not exist, which changes nothing.
        """
        self._pace()
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


def _found(company: models.WireCompany) -> ListedCompany:
    linked = any(one.status == LINKED for one in company.connections)
    return ListedCompany(company.id, linked, company.products or (), company.tags or {})


def _consumer(one: models.WebhookConsumer) -> Consumer:
    return Consumer(one.id, one.url, one.event_types, one.company_tags, one.disabled)
