"""One migration end to end on the deployed local stack: forth, without a loss, and back."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import httpx

from codat_hub.rate_limiting.domain.pace import LIMIT
from codat_hub.webhooks.signing_secret_store import SigningSecretStore
from tools.bench.migration_result import Result, Say, Timeline
from tools.bench.migration_target import CodatNow, event_type_of, hub_consumer_of, target_of
from tools.bench.migration_world import (
    PRODUCTS,
    Inbox,
    ProductEvents,
    Traffic,
    agree,
    codat_of,
    generated,
    traffic,
)
from tools.bench.own_stack import companies
from tools.cli.api import connected
from tools.faults.codat import CodatFaults
from tools.local.migrating import Operator
from tools.local.receiver import Receiver
from tools.local.stack import EVENTS_OF_ALL_TEAMS, LocalStack

type Json = dict[str, Any]

_IN_A_GAP: Final = 20  # events besides the constant traffic
_SETTLE_SECONDS: Final = 120.0
_LOOK: Final = 1.0  # seconds
_MOST_SECONDS: Final = 7200.0
_OF_THE_PLAN: Final = 1.05


class Bench:
    """One mode on one stack.

    outside: an old consumer's endpoint outside the hub
    faults: the share of the runs' calls of Codat that fail, and a seed; None: no call fails
    """

    def __init__(
        self,
        local: LocalStack,
        outside: Receiver,
        mode: str,
        say: Say,
        faults: tuple[float, int] | None = None,
    ) -> None:
        self.local, self.stack, self.outside = local, local.described, outside
        self.mode, self.say, self.faults = mode, say, faults
        self.inbox = Inbox(local)
        self.hub_url = self.stack["webhook_url"].rpartition("/")[0]

    def run(self) -> Result:
        """Run the migration and its rollback. Raises NotOver."""
        with self._people() as (operator, codat):
            self.codat, self.operator = codat, operator
            found = list(companies(codat))
            self.agreed = agree(self.local, found)
            self.linked = {company["id"] for company in found if _is_linked(company)}
            self.say(f"{len(found)} companies, {len(self.linked)} linked; consents are recorded")
            self.result = Result(self.mode, len(found))
            events = ProductEvents.of(self.local, f"bench-{self.mode}")
            self.begun = codat.get("/_sandbox/health").json()["time"]
            before = CodatNow.read(codat)
            with traffic(self.local, list(self.agreed)) as busy:
                operator.in_the_gap = lambda: busy.happen(_IN_A_GAP)
                self._play(before, events, busy)
        return self.result

    def _play(self, before: CodatNow, events: ProductEvents, busy: Traffic) -> None:
        planned = self._see("dry run", self.operator.start(PRODUCTS, self.mode, dry_run=True))
        self.result.expect("dry run: planned", planned["status"] == "planned", planned["error"])
        differing = before.differences(CodatNow.read(self.codat))
        self.result.expect("dry run: nothing changed", not differing, differing[:5])
        migration = self.operator.start(PRODUCTS, self.mode)
        done = self._see("there", migration)
        self.result.notes += done["notes"]
        self.result.expect("complete", done["status"] == "complete", done["error"])
        if done["status"] != "complete":
            return
        self._check_calls(done["plan"]["calls"])
        self._check_target(before, migration)
        self._check_gap(migration, before)
        self._check_reads(before, events)
        busy.happen(_IN_A_GAP)
        self.operator.rollback(migration)
        back = self._see("back", migration)
        self.result.expect("rolled back", back["status"] == "rolled_back", back["error"])
        self._check_restored(before, migration)
        expect = self.result.expect
        expect("at most 900 calls in 60 s", self.result.busiest <= LIMIT, self.result.busiest)
        self._measure(migration)

    # what must hold

    def _check_calls(self, planned: int) -> None:
        self.result.planned = planned
        made = sum(phase.calls for phase in self.result.phases if phase.run == "there")
        what = f"calls within {_OF_THE_PLAN} of the plan"
        self.result.expect(what, made <= _OF_THE_PLAN * planned, f"{made} of {planned}")

    def _check_target(self, before: CodatNow, migration: str) -> None:
        now = CodatNow.read(self.codat)
        target = target_of(before, migration, self.agreed, self.mode, self.hub_url)
        expect = self.result.expect
        expect("the client's settings are the target", now.client == target.client, now.client)
        for what in ("overrides", "products"):
            ours, theirs = getattr(now, what), getattr(target, what)
            wrong = {
                consumer: ours.get(consumer)
                for consumer in theirs
                if ours.get(consumer) != theirs[consumer]
            }
            expect(f"every company's {what} are the target", not wrong, wrong)
        lost = set(target.anonymous) - set(now.anonymous)
        over = set(now.anonymous) - set(target.anonymous)
        wrong_consumers = len(now.consumers) != len(target.consumers) or lost or over
        expect("consumers are the target", not wrong_consumers, (lost, over))
        old = {consumer for consumer in before.consumers if consumer in now.consumers}
        expected = set() if self.mode == "api" else set(before.consumers)
        expect("old consumers are deleted or kept, as the mode says", old == expected, old)

    def _check_gap(self, migration: str, before: CodatNow) -> None:
        """Replay the gap, then look for every webhook since the beginning."""
        since = self.operator.report(migration)["replay_missed"]["from"]
        replayed: set[str] = set()
        for consumer in CodatNow.read(self.codat).consumers:
            if consumer not in before.consumers:
                replayed.update(self.operator.replay_missed(consumer, since))
        self.result.counts["webhooks replayed after the gap"] = len(replayed)
        if self.mode == "portal":  # by the API the gap is over within seconds
            self.result.expect("something happened in the gap", replayed)
        self._check_inbox("migrated", {*EVENTS_OF_ALL_TEAMS, *map(event_type_of, PRODUCTS)})
        carried = [kind for kind in self._subscribed(before) if not kind.startswith("read.")]
        self._check_outside("migrated", carried)

    def _check_inbox(self, when: str, event_types: Iterable[str]) -> None:
        expected = generated(self.codat, list(event_types), self.begun)
        lost = _await_none_of(lambda: expected - self.inbox.items().keys())
        self.result.counts[f"webhooks generated, {when}"] = len(expected)
        self.result.counts[f"webhooks lost, {when}"] = len(lost)
        self.result.expect(f"{when}: no webhook is lost to the hub", not lost, sorted(lost)[:5])

    def _check_outside(self, when: str, event_types: Iterable[str]) -> None:
        expected = generated(self.codat, list(event_types), self.begun)
        lost = _await_none_of(lambda: expected - self.outside.webhook_ids)
        self.result.expect(f"{when}: no webhook is lost to the old system", not lost, len(lost))

    def _check_reads(self, before: CodatNow, events: ProductEvents) -> None:
        """Check that each product added to a linked company was read under its own event type."""
        expected = {
            (product, company)
            for company, products in self.agreed.items()
            for product in set(products) - set(before.products[company])
            if company in self.linked
        }
        told: set[tuple[str, str]] = set()

        def untold() -> set[tuple[str, str]]:
            for detail in events.take():
                names = [detail["product"], *(detail["standard_products"] or ())]
                told.update((name, detail["company_id"]) for name in names)
            return expected - told

        missing = _await_none_of(untold)
        items = self.inbox.items().values()
        came = {(item["event_type"], item.get("company_id"), item["consumer"]) for item in items}
        for product in PRODUCTS:
            kind, consumer = event_type_of(product), hub_consumer_of(product)
            added = {company_id for name, company_id in expected if name == product}
            unread = {
                company_id for company_id in added if (kind, company_id, consumer) not in came
            }
            self.result.counts[f"first reads of {product}"] = len(added - unread)
            what = f"{product}: first reads came as {kind} to the consumer {consumer}"
            self.result.expect(what, added and not unread, sorted(unread)[:5])
        self.result.expect("first reads: each is a product event", not missing, sorted(missing)[:9])
        self._check_once(items, before)
        quarantined = sum("quarantine" in item for item in items)
        self.result.expect("nothing was quarantined", not quarantined, quarantined)

    def _check_once(self, items: Iterable[Mapping[str, str]], before: CodatNow) -> None:
        """Check that Codat added each product once: it tells of each change that it makes."""
        added = Counter(
            (item["product"], item["company_id"])
            for item in items
            if item["event_type"] == "company.product.added"
        )
        wanted = {
            (product, company)
            for company, products in self.agreed.items()
            for product in set(products) - set(before.products[company])
        }
        wrong = [
            change for change in {*added, *wanted} if (added[change], change in wanted) != (1, True)
        ]
        self.result.counts["products that Codat added"] = added.total()
        self.result.expect("each product was added once", not wrong, sorted(wrong)[:5])

    def _check_restored(self, before: CodatNow, migration: str) -> None:
        now, report = CodatNow.read(self.codat), self.operator.report(migration)
        differing = before.differences(now)
        self.result.expect("rolled back: equal to the snapshot", not differing, differing[:5])
        again = [consumer for consumer in now.consumers if consumer not in before.consumers]
        if self.mode == "portal":
            self.result.expect("rolled back: the same consumers", not again, again)
        else:
            unsaid = [consumer for consumer in again if consumer not in " ".join(report["notes"])]
            what = "rolled back: consumers that were made again are listed"
            self.result.expect(what, len(again) == len(before.consumers) and not unsaid, unsaid)
            self._store_secrets(now, again)
        for consumer in now.consumers:
            self.operator.replay_missed(consumer, report["replay_missed"]["from"])
        self._check_inbox("rolled back", EVENTS_OF_ALL_TEAMS)
        self._check_outside("rolled back", self._subscribed(before))

    def _subscribed(self, before: CodatNow) -> list[str]:
        """Return the event types of the old system outside."""
        its = [
            consumer for consumer in before.consumers.values() if consumer.url == self.outside.url
        ]
        return sorted({kind for consumer in its for kind in consumer.event_types})

    def _store_secrets(self, now: CodatNow, again: Iterable[str]) -> None:
        """Store the secrets of consumers created again, as `tools/hub secrets add` does."""
        manager = self.local.emulator.client("secretsmanager")
        store = SigningSecretStore(manager, self.stack["signing_secrets_arn"])
        for consumer in again:
            name = now.consumers[consumer].url.removeprefix(f"{self.hub_url}/")
            if "/" not in name:
                kept = store.read().get(name, [])
                store.set({name: [*self.operator.secrets_of(consumer), *kept]})

    # time and calls

    def _see(self, run: str, migration: str) -> Json:
        """Follow a run to its end; record its phases and calls."""
        last = max((request["n"] for request in self._requests(0)), default=0)
        timeline = Timeline(self.say)
        with self._failing():
            found = self.operator.see_through(migration, _MOST_SECONDS, timeline.look)
        requests = self._requests(last)
        calls = sorted(datetime.fromisoformat(request["time"]) for request in requests)
        self.result.phases += timeline.phases(run, calls)
        self.result.calls += calls
        self.result.refused.update(
            request["status"] or 0
            for request in requests
            if not request["status"] or request["status"] >= 400
        )
        return found

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let calls of Codat fail meanwhile, if that was asked for."""
        if self.faults is None:
            yield
            return
        share, seed = self.faults
        with CodatFaults(self.stack["sandbox_url"], seed, share).at_work() as faults:
            yield
        self.result.faults += faults.asked_for

    def _requests(self, since: int) -> list[Json]:
        """Return the requests to Codat's API, without those to /_sandbox."""
        found: list[Json] = self.codat.get(f"/_sandbox/requests?since={since}").json()
        return found

    def _measure(self, migration: str) -> None:
        states = self.local.emulator.client("stepfunctions")
        machine = self.stack["migration_state_machine_arn"]
        executions = machine.replace(":stateMachine:", ":execution:")
        for name in (migration, f"{migration}-rollback-1"):
            pages = states.get_paginator("get_execution_history").paginate(
                executionArn=f"{executions}:{name}", maxResults=1000
            )
            self.result.history[name] = sum(len(page["events"]) for page in pages)
        pages = self.local.emulator.client("dynamodb").get_paginator("query")
        self.result.biggest_item = max(
            len(item["body"]["S"])
            for page in pages.paginate(
                TableName=self.stack["state_table"],
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"MIGRATION#{migration}"}},
            )
            for item in page["Items"]
            if "body" in item
        )

    @contextmanager
    def _people(self) -> Iterator[tuple[Operator, httpx.Client]]:
        credentials = self.local.emulator.credentials()
        url, region = self.stack["api_url"], self.stack["region"]
        with connected(url, credentials, region) as api, codat_of(self.local) as codat:
            codat.timeout = 120  # one answer has thousands of requests
            yield Operator(api, codat, poll=_LOOK), codat


def _is_linked(company: Json) -> bool:
    return any(connection["status"] == "Linked" for connection in company["dataConnections"])


def _await_none_of[Id](missing: Callable[[], set[Id]]) -> set[Id]:
    """Wait until nothing is missing; return what is still missing at the limit."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (left := missing()) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    return left
