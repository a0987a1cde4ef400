"""Project a stored webhook: publish a product event, or update the directory or rate limit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain import company as directory
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, CompanyChange
from codat_hub.companies.domain.product_changes import ProductTimes
from codat_hub.errors import NeverProjected, Unavailable, Unreadable
from codat_hub.product_events.domain.freshness import overdue_from
from codat_hub.product_events.domain.read_event import ReadEvent
from codat_hub.product_events.domain.read_products import ReadProducts
from codat_hub.product_events.domain.read_state import project
from codat_hub.product_events.domain.stored_webhook import interpret
from codat_hub.product_events.domain.woken import Woken
from codat_hub.products.domain.product import ProductKind
from codat_hub.rate_limiting.domain import rate_limit_notice
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.storage.update import update
from codat_hub.telemetry import logger
from codat_hub.webhooks.webhook_event import Unrecognised, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.domain.product_event import ProductEvent
    from codat_hub.product_events.domain.read_state import Projection, ReadState
    from codat_hub.product_events.domain.stored_webhook import StoredWebhook
    from codat_hub.product_events.ports import FullLoads, Parking, ProductBus, ReadStates
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.rate_limiting.ports import RateLimitNotices

MAX_UNUSABLE: Final = 100  # entries of one read; of more, the whole webhook is parked
_ADDED: Final = frozenset({AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED})


@dataclass(frozen=True, slots=True)
class FailedType:
    """An entry that was published as an error."""

    data_type: str
    integration: str
    status: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of projecting one webhook, for the metrics.

    outcome: published, superseded, repeated, folded, off, applied, unchanged, ignored, quarantined
    or parked
    failed: the entries that were published as errors
    unregistered: the published product, if it is not registered
    woken: the effect on the company's refreshes
    dated_ahead: Codat's date is over five minutes after the hub received the webhook
    parked_entries: how many entries of the read were parked by themselves
    """

    outcome: str
    failed: tuple[FailedType, ...] = ()
    unregistered: str | None = None
    woken: Woken = field(default_factory=Woken)
    dated_ahead: bool = False
    parked_entries: int = 0


@dataclass(frozen=True)
class ProjectReads:
    """Projects stored webhooks; the same webhook may be projected again.

    wake(company_id, product, at): sends the company's waiting refresh, because a read ended at `at`
    (product None: a plain read). A replay wakes none.
    """

    read_states: ReadStates
    companies: Companies
    assignments: Assignments
    rate_limits: RateLimitNotices
    registry: Products
    bus: ProductBus
    parking: Parking
    full_loads: FullLoads
    wake: Callable[[str, str | None, datetime], Woken] = lambda *_: Woken()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, webhook: StoredWebhook) -> Report:
        """Project a webhook, or park it if no retry can help.

        Raises Unavailable: the same webhook must be projected again then.
        """
        report = self._or_parked(webhook, partial(self._project, webhook))
        logger.info("webhook projected", webhook_id=webhook.key, outcome=report.outcome)
        return report

    def _or_parked(self, webhook: StoredWebhook, project: Callable[[], Report]) -> Report:
        try:
            return project()
        except Unavailable:
            raise
        except NeverProjected as reason:
            return self._park(webhook, webhook.key, str(reason))
        except Exception as fault:  # noqa: BLE001  # a fault of the hub must not block the stream
            logger.exception("webhook could not be projected", webhook_id=webhook.key)
            return self._park(webhook, webhook.key, f"fault: {type(fault).__name__}")

    def _project(self, webhook: StoredWebhook) -> Report:
        # A newer version of the hub may recognise an old webhook that is replayed.
        if webhook.quarantine is not None and isinstance(recognise(webhook.body), Unrecognised):
            return Report("quarantined")
        content = interpret(webhook)
        match content.fact:
            case ReadEvent() as read:
                project = partial(self._project_entries, webhook, read, content.unusable)
                report = self._or_parked(webhook, project)
                # Wake after a repeat too: a crash may have come before the first wake-up. Wake
                # after a parked read too: it has ended all the same.
                report = replace(report, woken=self._woken(read))
            case CompanyChange() as change:
                report = self._change_company(change)
            case RateLimitNotice() as notice:
                report = self._note_rate_limit(notice)
            case None:
                report = Report("ignored")
        return replace(report, dated_ahead=content.dated_ahead)

    def _project_entries(
        self, webhook: StoredWebhook, read: ReadEvent, unusable: Mapping[int, str]
    ) -> Report:
        """Project the usable entries and park each of the others under a key of its own."""
        if unusable and (not read.entries or len(unusable) > MAX_UNUSABLE):
            raise NeverProjected(next(iter(unusable.values())))
        report = self._project_read(read)
        for position, reason in unusable.items():
            self._park(webhook, webhook.entry_key(position), reason)
        return replace(report, parked_entries=len(unusable))

    def _woken(self, read: ReadEvent) -> Woken:
        try:
            return self.wake(read.company_id, read.product, read.at)
        except Unreadable:
            return Woken()  # waiting refreshes go on after their backoff

    def _project_read(self, event: ReadEvent) -> Report:
        """Publish the event, then write the state: a crash in between repeats it and loses nothing.

        `publish` therefore runs before each try to write. After a lost race it publishes only if
        the new event says more.
        """
        products, owed = self.registry.products(), self.full_loads.owed()
        published: ProductEvent | None = None
        result: Projection

        def read() -> tuple[tuple[Company, ReadState], int]:
            company = self._known_company(event.company_id)
            state, version = self.read_states.get(event.company_id, event.product)
            return (company, state), version

        def publish(known: tuple[Company, ReadState]) -> ReadState | None:
            nonlocal published, result
            company, state = known
            found = self._products_of(event, company, products, owed)
            resets, standard = partial(found.resets, event), found.standard(event)
            result = project(state, event, resets, standard, off=found.off(event))
            after = _with_overdue_from(result.state, found.assignment, company, products)
            if result.published and not (published and published.covers(result.published)):
                published = result.published
                self.bus.publish(published)
            return None if result.state == state else after

        write = partial(self.read_states.put, event.company_id, event.product)
        updated = update(read, publish, write, f"the read state of {event.company_id}")
        company, _ = updated.before
        return _report(result, company, products, published)

    def _products_of(
        self,
        event: ReadEvent,
        company: Company,
        products: Mapping[str, Product],
        owed: Mapping[str, datetime],
    ) -> ReadProducts:
        """Return the product that was read, or the company's standard products.

        owed: product -> when a full load of it was asked for, for all companies
        """

        def changes_of(name: str, ours: Assignment) -> ProductTimes:
            asked = ProductTimes(owed=(owed[name],) if name in owed else ())
            return company.changes(name).and_also(ours.changes).and_also(asked)

        if event.product is not None:
            try:
                ours, _ = self.assignments.get(event.company_id, event.product)
            except Unreadable:  # it costs itself, not the event
                ours = Assignment(event.company_id, event.product)
            changes = {event.product: changes_of(event.product, ours)}
            return ReadProducts(changes, {}, company.removed_connections, ours)
        standard = {name for name, known in products.items() if known.kind != ProductKind.CUSTOM}
        # An unregistered product may be standard: an extra event does less harm than a lost event.
        listed = set(company.products) - (products.keys() - standard)
        changes = {}
        for name in standard | listed:
            ours, _ = self.assignments.get(event.company_id, name)
            # The hub knows what it has added before Codat's event arrives (docs/codat.md, C29).
            if name in listed or ours.status in _ADDED:
                changes[name] = changes_of(name, ours)
        data_types = {name: products[name].data_types for name in standard}
        return ReadProducts(changes, data_types, company.removed_connections)

    def _known_company(self, company_id: str) -> Company:
        """Return the directory's entry, which is created if the company is new."""
        company, version = self.companies.get(company_id)
        if not version:
            self.companies.put(company, version)  # False if another projector created it first
        return company

    def _change_company(self, change: CompanyChange) -> Report:
        def read() -> tuple[tuple[Company, int], int]:
            company, version = self.companies.get(change.company_id)
            return (company, version), version

        def changed(known: tuple[Company, int]) -> Company | None:
            company, version = known
            after = directory.apply(company, change)
            return None if version and after == company else after  # a new company is written

        what = f"the directory entry of {change.company_id}"
        updated = update(read, changed, self.companies.put, what)
        return Report("unchanged" if updated.after is None else "applied")

    def _note_rate_limit(self, notice: RateLimitNotice) -> Report:
        def newer(known: RateLimitNotice | None) -> RateLimitNotice | None:
            latest = rate_limit_notice.latest(known, notice, self.now())
            return None if latest == known else latest

        what = "the rate limit notice"
        updated = update(self.rate_limits.get, newer, self.rate_limits.put, what)
        return Report("unchanged" if updated.after is None else "applied")

    def _park(self, webhook: StoredWebhook, key: str, reason: str) -> Report:
        """Park a webhook, or an entry of it, for as long as the inbox keeps the webhook."""
        logger.error("webhook parked", webhook_id=key, reason=reason)
        self.parking.park(key, reason, self.now(), webhook.expires_at)
        return Report("parked")


def _with_overdue_from(
    state: ReadState,
    assignment: Assignment | None,
    company: Company,
    products: Mapping[str, Product],
) -> ReadState:
    if assignment is None:  # no standard product has a schedule
        return state
    product = products.get(assignment.product)
    at = overdue_from(assignment, company, product, state.last_read_at)
    return replace(state, overdue_from=at)


def _report(
    result: Projection,
    company: Company,
    products: Mapping[str, Product],
    event: ProductEvent | None,
) -> Report:
    if event is None:
        return Report(result.outcome)
    failed = tuple(
        FailedType(entry.key.data_type, company.integration(entry.key.connection_id), entry.status)
        for entry in event.unsuccessful
    )
    product = event.read.product
    unknown = product is not None and product not in products
    return Report("published", failed, product if unknown else None)
