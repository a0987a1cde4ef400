"""What a migration would change, step by step: as data for a table, and with a hash to approve."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.consumers import MOST_CONSUMERS, carried, shown
from codat_hub.migration.domain.run import Activity, FirstLink, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from codat_hub.migration.domain.consumers import Consumer, Wanted
    from codat_hub.migration.domain.run import Request
    from codat_hub.migration.domain.sync_settings import Settings

PAGE: Final = 100  # companies that one call lists
SHOWN: Final = 20  # rows of one step in the plan; the counts are whole


@dataclass(frozen=True, slots=True)
class ProductCount:
    """Companies of the run, for one product."""

    adds: int = 0
    had: int = 0
    without_consent: int = 0

    def plus(self, other: ProductCount) -> ProductCount:
        return ProductCount(
            self.adds + other.adds,
            self.had + other.had,
            self.without_consent + other.without_consent,
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found of some companies. `digests` stand for all that the plan rests on.

    overriding: companies with settings of their own that are not off yet
    reading: companies that are read by a schedule, their own or the client's
    intervals: positive hours of schedules that count
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

    def plus(self, other: Survey) -> Survey:
        hours = [one for one in (self.shortest_hours, other.shortest_hours) if one]
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
            min(hours, default=None),
            (*self.digests, *other.digests),
            self.reading + other.reading,
        )


@dataclass(frozen=True, slots=True)
class Client:
    """The client's side of a plan. `present`: all consumers; `old`: those to be switched off.

    refusals: why the run cannot be; standard: the standard products among the targets
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
    """One activity. `rows` show the first changes; `calls` are Codat calls."""

    step: str
    summary: str
    undo: str
    changes: int
    calls: int
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds`: what the pace allows, and what is waited for on purpose; people come on top."""

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
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def digest_of(company_id: str, settings: Settings, had: Iterable[str]) -> str:
    """Stand for one company in the plan's hash: its own settings and which targets it has."""
    facts = [company_id, dict(settings) if sync_settings.overrides(settings) else None, sorted(had)]
    return hashlib.sha256(_canonical(facts)).hexdigest()[:16]


def chunk_digest(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:32]


def plan_hash(request: Request, client: Client, survey: Survey) -> str:
    """Bind an approval to all that was found, and to nothing else."""
    facts = [
        asdict(request),
        dict(client.settings),
        [asdict(one) for one in sorted(client.present, key=lambda one: one.consumer_id)],
        [asdict(one) for one in client.wanted],
        client.everyone,
        sorted(survey.digests),
        survey.companies,
    ]
    return hashlib.sha256(_canonical(facts)).hexdigest()[:32]


def make_plan(request: Request, client: Client, survey: Survey, calls_a_second: float) -> Plan:
    wait = _first_wait(client, survey)
    steps = (
        _client_sync(request, client, survey),
        _quiet(survey, wait),
        _old_webhooks(request, client),
        _new_webhooks(client),
        _products(survey),
    )
    # companies are listed for the plan, for the snapshot and for those that came meanwhile
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
        warnings=tuple(_warnings(request, client, survey)),
        refusals=(*client.refusals, *_no_room(request, client)),
        off_value=client.off,
        hash=plan_hash(request, client, survey),
    )


def _first_wait(client: Client, survey: Survey) -> timedelta:
    levels = [client.settings]
    if survey.shortest_hours:
        one = {"dataType": "any", "syncSchedule": survey.shortest_hours}
        levels.append({"overridesDefaults": True, "settings": [one]})
    return sync_settings.wait_for(levels)


def _client_sync(request: Request, client: Client, survey: Survey) -> StepPlan:
    rows: list[str] = []
    if client.everyone:
        rows += [
            f"client: {one['dataType']} every {one['syncSchedule']} h -> off ({client.off})"
            for one in client.settings["settings"]
            if one["syncSchedule"] > 0
        ]
    rows += [f"company {one}: its own settings -> off" for one in survey.overriding]
    kept = "kept" if request.fetch_on_first_link is FirstLink.KEEP else "switched off too"
    if client.everyone:
        changes = 1 + survey.overriding_count
        what = f"the client's settings and {survey.overriding_count} companies' own"
    else:
        changes = survey.reading
        what = f"{changes} companies by settings of their own, not the client's"
    return StepPlan(
        Activity.DISABLE_CLIENT_SYNC.value,
        f"switch off {what}; fetchOnFirstLink is {kept}",
        "post the snapshot, the client's first",
        changes,
        3 * changes,
        tuple(rows[:SHOWN]),
    )


def _quiet(survey: Survey, wait: timedelta) -> StepPlan:
    hours = wait.total_seconds() / 3600
    return StepPlan(
        Activity.WAIT_FOR_QUIET.value,
        f"wait {hours:g} h, then until no read from before is running (14 h at most)",
        "nothing to undo",
        0,
        survey.linked,
    )


def _old_webhooks(request: Request, client: Client) -> StepPlan:
    by_hand = request.mode is Mode.PORTAL
    rows = [f"{shown(one.url)}: {', '.join(one.event_types)}" for one in client.old]
    return StepPlan(
        Activity.DISABLE_OLD_WEBHOOKS.value,
        "a person disables them in the Portal" if by_hand else "delete them by the API",
        "a person enables them in the Portal"
        if by_hand
        else "create them again: new ids, new secrets, no custom headers",
        len(client.old),
        2 if by_hand else 1 + len(client.old),
        tuple(rows[:SHOWN]),
    )


def _new_webhooks(client: Client) -> StepPlan:
    rows = [f"{shown(one.url)}: {', '.join(one.event_types)}" for one in client.wanted]
    return StepPlan(
        Activity.CONFIGURE_NEW_WEBHOOKS.value,
        "create them, then wait (20 h at most) for their signing secrets from the Portal",
        "delete what was created",
        len(client.wanted),
        1 + len(client.wanted),
        tuple(rows[:SHOWN]),
    )


def _products(survey: Survey) -> StepPlan:
    adds = sum(one.adds for one in survey.products.values())
    rows = [
        f"{name}: add to {one.adds}, already on {one.had}, without consent {one.without_consent}"
        for name, one in survey.products.items()
    ]
    return StepPlan(
        Activity.ADD_PRODUCTS.value,
        "add each product to each company that has consented and does not have it",
        "remove what this run has added",
        adds,
        adds + survey.companies,
        tuple(rows),
    )


def _warnings(request: Request, client: Client, survey: Survey) -> Iterable[str]:
    if survey.overriding_count:
        yield (
            f"{survey.overriding_count} companies have sync settings of their own; they are "
            "switched off one by one"
        )
    if unlinked := survey.companies - survey.linked:
        yield (
            f"{unlinked} companies have no linked connection: no read will come of them until "
            "they link"
        )
    for name, one in survey.products.items():
        if one.without_consent:
            yield (
                f"{name}: {one.without_consent} companies are skipped, no consent that covers it "
                "is recorded: nothing reads them any more once their schedules are off"
            )
        if one.adds and not one.had:  # Codat lists no products: the first company shows it
            yield (
                f"{name}: no company has it at Codat yet, so nothing shows that Codat knows it by "
                "this name; a run over one company first would"
            )
    for name in client.standard:
        yield f"{name} is a standard product: Codat refreshes it, the hub cannot"
    for consumer in client.old:
        yield from _losses(request, consumer)
    if request.fetch_on_first_link is FirstLink.KEEP:
        yield (
            "fetchOnFirstLink is kept: a company that links later is also read once under "
            "client-level settings"
        )
    else:
        yield (
            "fetchOnFirstLink is switched off: Refresh all and the Portal's refresh button do "
            "nothing afterwards"
        )
    if not client.everyone:
        yield (
            "companies are left behind: client settings and old consumers stay on until a run "
            "takes the rest"
        )


def _losses(request: Request, consumer: Consumer) -> Iterable[str]:
    if others := carried(consumer):
        yield (
            f"consumer {consumer.consumer_id} also carries {', '.join(others)}: a successor at "
            "the same URL takes them over, with a signing secret of its own"
        )
    if request.mode is Mode.API:
        yield (
            f"consumer {consumer.consumer_id} will be deleted: its secret, pending retries, "
            "custom headers, mTLS and transformations are lost for good"
        )


def _no_room(request: Request, client: Client) -> Iterable[str]:
    freed = len(client.old) if request.mode is Mode.API else 0
    after = len(client.present) - freed + len(client.wanted)
    if after > MOST_CONSUMERS:
        yield (
            f"Codat allows {MOST_CONSUMERS} webhook consumers; there would be {after}. Delete "
            f"{after - MOST_CONSUMERS} that nobody needs in the Portal and plan again."
        )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
