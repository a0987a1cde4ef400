"""Codat as reconcile sees it: what the calls say in the hub's own words, at a polite pace."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from codat_hub.codat.errors import NotFound, NotUnderstood, Unauthorized
from codat_hub.rate_limiting.domain.pace import RECONCILE_PER_SECOND
from codat_hub.reconcile.domain.observed import (
    ObservedCompany,
    ObservedConnection,
    ObservedConsumer,
    ObservedPage,
    ObservedSettings,
    ObservedStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.codat.adapters import models
    from codat_hub.codat.adapters.answers import Answer
    from codat_hub.codat.adapters.client import CodatClient
    from codat_hub.codat.domain.quota import Quota


class Observer:
    """Every method makes one call and raises CallFailed. `calls` counts them, `quota` is the last.

    a_second: asked before each call, for the pace; may raise RateLimited
    Not thread-safe: a Lambda works on one run at a time.
    """

    def __init__(
        self,
        codat: CodatClient,
        *,
        a_second: Callable[[], float] = lambda: RECONCILE_PER_SECOND,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._codat = codat
        self._a_second = a_second
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._next_at = float("-inf")
        self.calls = 0
        self.quota: Quota | None = None

    def companies(self, page: int) -> ObservedPage:
        """Return one page of 100, the oldest company first, so that new ones shift nothing."""
        asked_at = self._now()
        found = self._call(lambda: self._codat.companies_page(page, order_by="created"))
        if found.page_number not in {None, page} or (found.has_next and not found.results):
            raise NotUnderstood(f"asked for page {page} of the companies, got something else")
        companies = tuple(_company(one) for one in found.results)
        return ObservedPage(asked_at, companies, found.has_next, found.total_results)

    def exists(self, company_id: str) -> bool:
        """Tell whether Codat has the company, so whether it says anything but 404."""
        try:
            self._call(lambda: self._codat.company(company_id))
        except NotFound:
            return False
        return True

    def settings(self) -> ObservedSettings:
        return _settings(self._call(self._codat.client_sync_settings))

    def override(self, company_id: str) -> ObservedSettings:
        """Return the company's own schedules; none if the client's settings hold for it."""
        return _settings(self._call(lambda: self._codat.company_sync_settings(company_id)))

    def consumers(self) -> tuple[ObservedConsumer, ...]:
        found = self._call(self._codat.webhook_consumers).results
        return tuple(
            ObservedConsumer(one.id, one.url, one.disabled, one.event_types) for one in found
        )

    def statuses(self, company_id: str) -> Mapping[str, ObservedStatus]:
        """Return the data types' statuses by name."""
        found = self._call(lambda: self._codat.data_status(company_id)).root
        return {name: _status(one) for name, one in found.items() if one is not None}

    def _call[T](self, ask: Callable[[], Answer[T]]) -> T:
        """Ask at the pace; count the call, note the quota. A refused key is read anew next time."""
        ahead = self._next_at - self._clock()
        if ahead > 0:
            self._sleep(ahead)
        self._next_at = self._clock() + 1 / self._a_second()
        self.calls += 1
        try:
            answer = ask()
        except Unauthorized:
            self._codat.forget_key()
            raise
        self.quota = answer.quota or self.quota
        return answer.value


def _status(one: models.DataStatus) -> ObservedStatus:
    synced = one.last_successful_sync
    return ObservedStatus(one.current_status, None if synced is None else synced.moment)


def _company(one: models.Company) -> ObservedCompany:
    told = "data_connections" in one.model_fields_set
    connections = {
        each.id: ObservedConnection(
            each.status or "Unknown", each.integration_key, each.source_type, each.platform_name
        )
        for each in one.data_connections
    }
    return ObservedCompany(one.id, one.name, one.products, connections if told else None)


def _settings(settings: models.SyncSettings) -> ObservedSettings:
    if not settings.overrides_defaults:
        return ObservedSettings()
    schedules = {one.data_type: one.sync_schedule for one in settings.settings}
    return ObservedSettings({name: hours for name, hours in schedules.items() if hours > 0})
