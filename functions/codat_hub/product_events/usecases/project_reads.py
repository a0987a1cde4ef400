"""Turn a stored webhook into what it means: a product event, a directory entry, the rate limit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.companies.domain import company as directory
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Company, CompanyChange
from codat_hub.errors import NeverProjected, Unavailable, Unreadable
from codat_hub.product_events.domain.read_event import ReadEvent
from codat_hub.product_events.domain.read_state import project
from codat_hub.product_events.domain.stored_webhook import interpret
from codat_hub.product_events.domain.woken import Woken
from codat_hub.rate_limiting.domain import rate_limit_notice
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.telemetry import logger
from codat_hub.webhooks.webhook_event import Unrecognised, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.product_events.domain.product_event import ProductEvent
    from codat_hub.product_events.domain.read_state import Projection, ReadState
    from codat_hub.product_events.domain.stored_webhook import StoredWebhook

_CUSTOM: Final = "custom"
_ADDED: Final = frozenset({AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED})
_TRIES: Final = 10  # at an item that others keep changing, before the stream brings it again


class ReadStates(Protocol):
    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...
    def put(self, company_id: str, product: str | None, state: ReadState, version: int) -> bool: ...


class Companies(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def put(self, company: Company, version: int) -> bool: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...


class RateLimits(Protocol):
    def get(self) -> tuple[RateLimitNotice | None, int]: ...
    def put(self, limit: RateLimitNotice, version: int) -> bool: ...


class ProductRegistry(Protocol):
    def kinds(self) -> Mapping[str, str]: ...


class Parking(Protocol):
    def park(self, webhook_id: str, reason: str, now: datetime) -> None: ...


class Wake(Protocol):
    """Tells the refreshes of a company that a read of it has completed (wake_company.py)."""

    def __call__(self, company_id: str, product: str | None, at: datetime) -> Woken: ...


class ProductBus(Protocol):
    def publish(self, event: ProductEvent) -> None: ...


@dataclass(frozen=True, slots=True)
class FailedType:
    """An entry that was published as an error."""

    data_type: str
    integration: str
    status: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one webhook, to be counted.

    outcome: published, superseded, repeated, folded, applied, unchanged, ignored, quarantined
    or parked; `unregistered`: the product, if it was published and nobody registered it;
    `woken`: what the end of the read meant to the company's refreshes.
    """

    outcome: str
    failed: tuple[FailedType, ...] = ()
    unregistered: str | None = None
    woken: Woken = field(default_factory=Woken)


@dataclass(frozen=True)
class ProjectReads:
    """Call it with a stored webhook. Raises Unavailable; then the same webhook is to come again."""

    read_states: ReadStates
    companies: Companies
    assignments: Assignments
    rate_limits: RateLimits
    registry: ProductRegistry
    bus: ProductBus
    parking: Parking
    wake: Wake = lambda *_: Woken()  # who projects old webhooks anew wakes nobody
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, webhook: StoredWebhook) -> Report:
        try:
            report = self._project(webhook)
        except Unavailable:
            raise
        except NeverProjected as reason:
            report = self._park(webhook, str(reason))
        except Exception as fault:  # noqa: BLE001  # a fault of ours must not hold up the stream
            logger.exception("webhook could not be projected", webhook_id=webhook.webhook_id)
            report = self._park(webhook, f"fault: {type(fault).__name__}")
        logger.info("webhook projected", webhook_id=webhook.webhook_id, outcome=report.outcome)
        return report

    def _project(self, webhook: StoredWebhook) -> Report:
        # an item that is replayed may be of a kind that was learned since
        if webhook.quarantine is not None and isinstance(recognise(webhook.body), Unrecognised):
            return Report("quarantined")
        match interpret(webhook):
            case ReadEvent() as read:
                report = self._project_read(read)
                # whatever became of the event: a repeat finishes what a crash left undone
                return replace(report, woken=self._woken(read))
            case CompanyChange() as change:
                return self._change_company(change)
            case RateLimitNotice() as notice:
                return self._note_rate_limit(notice)
            case None:
                return Report("ignored")

    def _woken(self, read: ReadEvent) -> Woken:
        try:
            return self.wake(read.company_id, read.product, read.at)
        except Unreadable:
            return Woken()  # what waits goes on by its backoff; the read itself is projected

    def _project_read(self, event: ReadEvent) -> Report:
        """Publish first, then advance: a crash in between repeats an event, and loses none.

        On a conflict with another projector everything is read and decided anew; what was
        published already is published again only where it does not cover the new decision.
        """
        kinds = self.registry.kinds()
        out: ProductEvent | None = None
        for _ in range(_TRIES):
            company = self._known_company(event.company_id)
            state, version = self.read_states.get(event.company_id, event.product)
            removed_at = partial(company.removed_at, event.product)
            result = project(state, event, removed_at, self._standard(event, company, kinds))
            if result.published and not (out and out.covers(result.published)):
                out = result.published
                self.bus.publish(out)
            if result.state == state or self.read_states.put(
                event.company_id, event.product, result.state, version
            ):
                return _report(result, company, kinds, out)
        raise Unavailable(f"{event.company_id}: others kept changing its state")

    def _standard(
        self, event: ReadEvent, company: Company, kinds: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the standard products that a plain read may have been for."""
        if event.product is not None:
            return ()
        # one that nobody registered may be standard: better told once too often than never
        listed = {one for one in company.products if kinds.get(one) != _CUSTOM}
        # what the hub has added it knows before Codat's news of it (docs/codat.md, C29)
        others = [one for one, kind in kinds.items() if kind != _CUSTOM and one not in listed]
        statuses = {one: self.assignments.get(event.company_id, one)[0].status for one in others}
        return tuple(sorted(listed | {one for one in others if statuses[one] in _ADDED}))

    def _known_company(self, company_id: str) -> Company:
        """Return the directory's entry; a company that is unknown to us is learned."""
        company, version = self.companies.get(company_id)
        if not version:
            self.companies.put(company, version)  # if another projector was first, it is known
        return company

    def _change_company(self, change: CompanyChange) -> Report:
        for _ in range(_TRIES):
            company, version = self.companies.get(change.company_id)
            changed = directory.apply(company, change)
            if version and changed == company:
                return Report("unchanged")
            if self.companies.put(changed, version):
                return Report("applied")
        raise Unavailable(f"{change.company_id}: others kept changing its entry")

    def _note_rate_limit(self, notice: RateLimitNotice) -> Report:
        for _ in range(_TRIES):
            known, version = self.rate_limits.get()
            limit = rate_limit_notice.latest(known, notice, self.now())
            if limit is None or limit == known:
                return Report("unchanged")
            if self.rate_limits.put(limit, version):
                return Report("applied")
        raise Unavailable("others kept changing the rate limit")

    def _park(self, webhook: StoredWebhook, reason: str) -> Report:
        logger.error("webhook parked", webhook_id=webhook.webhook_id, reason=reason)
        self.parking.park(webhook.webhook_id, reason, self.now())
        return Report("parked")


def _report(
    result: Projection, company: Company, kinds: Mapping[str, str], out: ProductEvent | None
) -> Report:
    if out is None:
        return Report(result.outcome)
    failed = tuple(
        FailedType(one.key.data_type, company.integration(one.key.connection_id), one.status)
        for one in out.unsuccessful
    )
    product = out.read.product
    unknown = product is not None and product not in kinds
    return Report("published", failed, product if unknown else None)
