"""Reads Codat for reconcile, and translates the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from codat_hub.codat.adapters.elements import Unread, readable, unreadable
from codat_hub.codat.errors import NotFound, NotUnderstood, Unauthorized
from codat_hub.reconcile.domain.observed import (
    ObservedCompany,
    ObservedConnection,
    ObservedConsumer,
    ObservedConsumers,
    ObservedPage,
    ObservedSettings,
    ObservedStatus,
    UnreadCompany,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.codat.adapters import models
    from codat_hub.codat.adapters.answers import Answer
    from codat_hub.codat.adapters.client import CodatClient
    from codat_hub.codat.domain.quota import Quota


_LONGEST_NAME: Final = 2000  # characters; a longer name could fill an item of DynamoDB


class Observer:
    """Codat as reconcile reads it: each method makes one call, and raises CallFailed.

    calls: how many calls were made; quota: the latest that an answer stated
    Not thread-safe: a Lambda works on one run at a time.
    """

    def __init__(
        self,
        codat: CodatClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._codat = codat
        self._now = now
        self.calls = 0
        self.quota: Quota | None = None

    def companies(self, page: int) -> ObservedPage:
        """Return a page of 100 companies, the oldest first, so that new companies shift nothing."""
        asked_at = self._now()
        found = self._call(lambda: self._codat.companies_page(page, order_by="created"))
        if found.page_number not in {None, page} or (found.has_next and not found.entries):
            raise NotUnderstood(f"Codat did not answer with page {page} of the companies")
        companies = tuple(_company(company) for company in found.results)
        unread = tuple(UnreadCompany(part.fault, part.id, part.name) for part in found.unreadable)
        return ObservedPage(asked_at, companies, found.has_next, found.total_results, unread)

    def exists(self, company_id: str) -> bool:
        """Tell whether Codat has the company: no after a 404, yes also if the answer is odd."""
        try:
            self._call(lambda: self._codat.company(company_id))
        except NotFound:
            return False
        except NotUnderstood as answer:
            if answer.status is None or not 200 <= answer.status < 300:
                raise
        return True

    def settings(self) -> ObservedSettings:
        """Return the client-level schedules."""
        return _settings(self._call(self._codat.client_schedules))

    def override(self, company_id: str) -> ObservedSettings:
        """Return the company's own schedules; none if the client-level settings apply to it."""
        return _settings(self._call(lambda: self._codat.company_schedules(company_id)))

    def consumers(self) -> ObservedConsumers:
        """Return every webhook consumer of the Codat client."""
        found = self._call(self._codat.webhook_consumers)
        unread = [*_faults(found.unreadable)]
        unread += [f"{known.id}: eventTypes" for known in found.results if not known.complete]
        consumers = (
            ObservedConsumer(known.id, known.url, known.disabled, known.event_types)
            for known in found.results
        )
        return ObservedConsumers(tuple(consumers), tuple(unread))

    def statuses(self, company_id: str) -> Mapping[str, ObservedStatus]:
        """Return the status of each of the company's data types, by name, if it can be read."""
        found = self._call(lambda: self._codat.data_status(company_id)).root
        known = {name: status for name, status in found.items() if status is not None}
        return {
            name: _status(status)
            for name, status in known.items()
            if not isinstance(status, Unread)
        }

    def _call[T](self, ask: Callable[[], Answer[T]]) -> T:
        """Count the call and keep the quota; forget the API key after a 401."""
        self.calls += 1
        try:
            answer = ask()
        except Unauthorized:
            self._codat.forget_key()
            raise
        self.quota = answer.quota or self.quota
        return answer.value


def _status(status: models.DataStatus) -> ObservedStatus:
    synced = status.last_successful_sync
    return ObservedStatus(status.current_status, None if synced is None else synced.moment)


def _company(company: models.WireCompany) -> ObservedCompany:
    connections = {
        connection.id: ObservedConnection(
            connection.status,
            connection.integration_key,
            connection.source_type,
            connection.platform_name,
        )
        for connection in company.connections
    }
    name, unread = company.name, company.unread
    if name is not None and len(name) > _LONGEST_NAME:
        name, unread = None, (*unread, f"name: over {_LONGEST_NAME} characters")
    told = company.data_connections is not None
    return ObservedCompany(
        company.id, name, company.products, connections if told else None, unread
    )


def _settings(settings: models.WireSchedules) -> ObservedSettings:
    if settings.overrides_defaults is False:  # true by default (docs/codat.md, C64)
        return ObservedSettings()
    if settings.settings is None:
        return ObservedSettings(unread=("settings: null",))
    schedules = {
        setting.data_type: setting.sync_schedule for setting in readable(settings.settings)
    }
    return ObservedSettings(
        {name: hours for name, hours in schedules.items() if hours > 0},
        _faults(unreadable(settings.settings)),
    )


def _faults(parts: Iterable[Unread]) -> tuple[str, ...]:
    return tuple(f"{part.id}: {part.fault}" if part.id else part.fault for part in parts)
