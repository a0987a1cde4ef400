"""The plan of a migration: its changes by activity, calls, time, warnings and hash."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.consumers import MOST_CONSUMERS, carried, shown
from codat_hub.migration.domain.run import Activity, FirstLink, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from codat_hub.migration.domain.consumers import Consumer, Wanted
    from codat_hub.migration.domain.run import MigrationRequest
    from codat_hub.migration.domain.sync_settings import Settings

PAGE: Final = 100  # companies that one call lists
SHOWN: Final = 20  # rows of one activity in the plan; its counts are complete


@dataclass(frozen=True, slots=True)
class ProductCount:
    """Numbers of companies, for one product. `had`: the company has it before the run."""

    adds: int = 0
    had: int = 0
    without_consent: int = 0

    def plus(self, other: ProductCount) -> ProductCount:
        """Return the sum of both."""
        return ProductCount(
            self.adds + other.adds,
            self.had + other.had,
            self.without_consent + other.without_consent,
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about some companies, as Codat and the hub have them before the run.

    overriding: the first few companies with settings of their own that are on
    reading: companies that switching off changes, at their own level or the client's
    locked: the first few companies with own schedules that stay on, and these data types
    shortest_hours: the shortest interval of the companies' own schedules that are on
    digests: one for each company, for the hash of the plan
    """

    companies: int = 0
    linked: int = 0
    overriding: tuple[str, ...] = ()
    overriding_count: int = 0
    unlinked: tuple[str, ...] = ()
    products: Mapping[str, ProductCount] = field(default_factory=dict)
    shortest_hours: int | None = None
    digests: tuple[str, ...] = ()
    reading: int = 0
    locked: tuple[str, ...] = ()

    def plus(self, other: Survey) -> Survey:
        """Return the survey of the companies of both."""
        intervals = [hours for hours in (self.shortest_hours, other.shortest_hours) if hours]
        names = self.products.keys() | other.products.keys()
        none = ProductCount()
        return Survey(
            self.companies + other.companies,
            self.linked + other.linked,
            (*self.overriding, *other.overriding)[:SHOWN],
            self.overriding_count + other.overriding_count,
            (*self.unlinked, *other.unlinked)[:SHOWN],
            {
                name: self.products.get(name, none).plus(other.products.get(name, none))
                for name in sorted(names)
            },
            min(intervals, default=None),
            (*self.digests, *other.digests),
            self.reading + other.reading,
            (*self.locked, *other.locked)[:SHOWN],
        )


@dataclass(frozen=True, slots=True)
class Client:
    """Facts about the client, for its plan.

    off: the `syncSchedule` that means off, None if unknown
    present: all consumers; old: consumers to switch off; wanted: consumers to create
    standard: the standard products of the run
    everyone: whether no company is left behind
    refusals: reasons why the migration cannot start
    """

    settings: Settings
    off: int | None
    present: Sequence[Consumer]
    old: Sequence[Consumer]
    wanted: Sequence[Wanted]
    standard: Sequence[str] = ()
    everyone: bool = True
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One activity in the plan. `rows`: its first changes; `calls`: calls to Codat."""

    step: str
    summary: str
    undo: str
    changes: int
    calls: int
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan. `calls_seconds` and `wait_seconds` add up, without the time that people take."""

    companies: int
    linked: int
    everyone: bool
    steps: tuple[StepPlan, ...]
    calls: int
    calls_seconds: int
    wait_seconds: int
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]
    off_value: int | None
    hash: str

    def as_json(self) -> dict[str, Any]:
        """Return the plan as the ledger keeps it."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def digest_of(company_id: str, settings: Settings, had: Iterable[str]) -> str:
    """Return the id and a digest of a company's own settings and its products of the run."""
    facts = [company_id, dict(settings) if sync_settings.overrides(settings) else None, sorted(had)]
    return f"{company_id} {hashlib.sha256(_canonical(facts)).hexdigest()[:16]}"


def by_company(digests: Iterable[str]) -> dict[str, str]:
    """Return the digests by company id; the version before kept them without the id."""
    parts = (digest.rpartition(" ") for digest in digests)
    return {company_id: digest for company_id, _, digest in parts}


def ceiling(companies: int) -> int:
    """Return how many companies the approval of this many covers: 5 % more, ten at least."""
    return companies + max(10, math.ceil(companies / 20))


def plan_hash(request: MigrationRequest, client: Client, survey: Survey) -> str:
    """Return a hash of the request and all facts, which an approval is bound to."""
    facts = [
        _as_approved(request),
        dict(client.settings),
        [asdict(consumer) for consumer in sorted(client.present, key=attrgetter("consumer_id"))],
        [asdict(consumer) for consumer in client.wanted],
        client.everyone,
        sorted(digest.rpartition(" ")[2] for digest in survey.digests),
        survey.companies,
    ]
    return hashlib.sha256(_canonical(facts)).hexdigest()[:32]


def _as_approved(request: MigrationRequest) -> dict[str, Any]:
    """Return the request for the hash. A choice left out keeps the hash of earlier versions."""
    facts = asdict(request)
    if request.quiet_hours is None:
        del facts["quiet_hours"]
    return facts


def make_plan(
    request: MigrationRequest, client: Client, survey: Survey, calls_a_second: float
) -> Plan:
    """Return the plan of a migration: activities 1 to 5 in their order."""
    least = _first_wait(client, survey)
    wait = timedelta(hours=request.quiet_hours) if request.quiet_hours else least
    steps = (
        _client_sync(request, client, survey),
        _quiet(survey, wait),
        _old_webhooks(request, client),
        _new_webhooks(client),
        _products(survey),
    )
    # The run lists companies three times: for the plan, the snapshot and late companies.
    listing = 3 * max(1, math.ceil(survey.companies / PAGE)) + 2 * survey.companies
    calls = listing + sum(step.calls for step in steps)
    return Plan(
        companies=survey.companies,
        linked=survey.linked,
        everyone=client.everyone,
        steps=steps,
        calls=calls,
        calls_seconds=math.ceil(calls / calls_a_second),
        wait_seconds=int(wait.total_seconds()),
        warnings=(*_wait_warnings(wait, least), *_warnings(request, client, survey)),
        refusals=(*client.refusals, *_no_room(request, client)),
        off_value=client.off,
        hash=plan_hash(request, client, survey),
    )


def _first_wait(client: Client, survey: Survey) -> timedelta:
    levels = [client.settings]
    if survey.shortest_hours:
        shortest = {"dataType": "any", "syncSchedule": survey.shortest_hours}
        levels.append({"overridesDefaults": True, "settings": [shortest]})
    return sync_settings.wait_for(levels)


def _client_sync(request: MigrationRequest, client: Client, survey: Survey) -> StepPlan:
    rows: list[str] = []
    if client.everyone:
        rows += [
            f"client: {setting['dataType']} every {setting['syncSchedule']} h -> off ({client.off})"
            for setting in client.settings["settings"]
            if setting["syncSchedule"] > 0 and not setting.get("isLocked")
        ]
    rows += [f"company {company}: its own settings -> off" for company in survey.overriding]
    kept = "kept" if request.fetch_on_first_link is FirstLink.KEEP else "switched off too"
    if client.everyone:
        changes = 1 + survey.overriding_count
        schedules = f"the client's and the own ones of {_companies(survey.overriding_count)}"
    else:
        changes = survey.reading
        schedules = f"those of {_companies(changes)} by settings of their own, not the client's"
    return StepPlan(
        Activity.DISABLE_CLIENT_SYNC.value,
        f"switch off schedules: {schedules}; fetchOnFirstLink is {kept}",
        "post the settings of the snapshot, the client's first",
        changes,
        3 * changes,
        tuple(rows[:SHOWN]),
    )


def _quiet(survey: Survey, wait: timedelta) -> StepPlan:
    return StepPlan(
        Activity.WAIT_FOR_QUIET.value,
        f"wait {_hours(wait)} h, then until no old read is running (14 h at most)",
        "nothing to undo",
        0,
        survey.linked,
    )


def _old_webhooks(request: MigrationRequest, client: Client) -> StepPlan:
    by_hand = request.mode is Mode.PORTAL
    rows = [f"{shown(consumer.url)}: {', '.join(consumer.event_types)}" for consumer in client.old]
    return StepPlan(
        Activity.DISABLE_OLD_WEBHOOKS.value,
        "a person disables the old consumers in the Portal"
        if by_hand
        else "delete the old consumers by the API",
        "a person enables the old consumers in the Portal"
        if by_hand
        else "create them again: new ids, new secrets, no custom headers",
        len(client.old),
        2 if by_hand else 1 + len(client.old),
        tuple(rows[:SHOWN]),
    )


def _new_webhooks(client: Client) -> StepPlan:
    rows = [
        f"{shown(consumer.url)}: "
        + ("its other events" if consumer.is_successor else ", ".join(consumer.event_types))
        for consumer in client.wanted
    ]
    return StepPlan(
        Activity.CONFIGURE_NEW_WEBHOOKS.value,
        "create the new consumers, then wait (20 h at most) for their signing secrets",
        "delete the consumers that this run created",
        len(client.wanted),
        1 + len(client.wanted),
        tuple(rows[:SHOWN]),
    )


def _products(survey: Survey) -> StepPlan:
    adds = sum(count.adds for count in survey.products.values())
    rows = [
        f"{product}: add to {count.adds}, already on {count.had}, "
        f"without consent {count.without_consent}"
        for product, count in survey.products.items()
    ]
    return StepPlan(
        Activity.ADD_PRODUCTS.value,
        "add each product to each company that consented to it and does not have it",
        "remove the products that this run added",
        adds,
        adds + survey.companies,
        tuple(rows),
    )


def _warnings(request: MigrationRequest, client: Client, survey: Survey) -> Iterable[str]:
    yield from _locked_warnings(client, survey)
    yield from _company_warnings(survey)
    for product, count in survey.products.items():
        yield from _product_warnings(product, count)
    for product in client.standard:
        yield f"{product} is a standard product: Codat refreshes it, the hub cannot"
    for consumer in client.old:
        yield from _consumer_warnings(request, consumer)
    if request.fetch_on_first_link is FirstLink.KEEP:
        yield (
            "fetchOnFirstLink is kept: a company that links later is read once under client-level "
            "settings too"
        )
    else:
        yield (
            "fetchOnFirstLink is switched off: after the migration, Refresh all and the Portal's "
            "refresh button do nothing"
        )
    if not client.everyone:
        yield (
            "some companies are left behind: the client's settings and the old consumers stay on "
            "until a run includes the other companies"
        )


def _wait_warnings(wait: timedelta, least: timedelta) -> Iterable[str]:
    if wait < least:
        yield (
            f"the run looks for quiet after {_hours(wait)} h already, not after the shortest "
            f"schedule of {_hours(least)} h: a read of an old schedule may still begin after that"
        )


def _hours(wait: timedelta) -> str:
    return f"{wait.total_seconds() / 3600:g}"


def _locked_warnings(client: Client, survey: Survey) -> Iterable[str]:
    levels = list(survey.locked)
    if client.everyone and (types := sync_settings.locked(client.settings)):
        levels.insert(0, f"the client: {', '.join(types)}")
    if levels:
        yield (
            "Codat marks settings as locked; the run leaves them, and they go on reading: "
            f"{'; '.join(levels)}"
        )


def _company_warnings(survey: Survey) -> Iterable[str]:
    if survey.overriding_count:
        yield (
            f"{_companies(survey.overriding_count)} with sync settings of their own: the run "
            "switches them off too"
        )
    if unlinked := survey.companies - survey.linked:
        yield f"{_companies(unlinked)} without a linked connection: no read follows until they link"


def _product_warnings(product: str, count: ProductCount) -> Iterable[str]:
    if count.without_consent:
        yield (
            f"{product}: the run skips {_companies(count.without_consent)}, because no recorded "
            "consent covers it: after the migration nothing reads them any more"
        )
    if count.adds and not count.had:  # no call lists products (docs/codat.md, C53)
        yield (
            f"{product}: no company at Codat has it yet, so nothing shows that Codat knows this "
            "name: migrate one company first"
        )


def _consumer_warnings(request: MigrationRequest, consumer: Consumer) -> Iterable[str]:
    if others := carried(consumer):
        yield (
            f"consumer {consumer.consumer_id} also gets {_many(len(others), 'other event type')}: "
            "a successor at the same URL takes over, with a signing secret of its own"
        )
    if request.mode is Mode.API:
        yield (
            f"consumer {consumer.consumer_id} will be deleted: its secret, pending retries, "
            "custom headers, mTLS and transformations are lost"
        )


def _no_room(request: MigrationRequest, client: Client) -> Iterable[str]:
    freed = len(client.old) if request.mode is Mode.API else 0
    after = len(client.present) - freed + len(client.wanted)
    if after > MOST_CONSUMERS:
        yield (
            f"Codat allows {MOST_CONSUMERS} webhook consumers; there would be {after}. Delete "
            f"{after - MOST_CONSUMERS} in the Portal, then run tools/hub migrations plan again."
        )


def _companies(count: int) -> str:
    return "1 company" if count == 1 else f"{count} companies"


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
