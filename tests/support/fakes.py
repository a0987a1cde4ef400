"""Fakes of adapters in memory; contract tests compare them with the real adapters."""

from dataclasses import dataclass, field
from datetime import datetime

from standardwebhooks import Webhook

from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.errors import NotFound
from codat_hub.companies.domain.assignment import Assignment
from codat_hub.companies.domain.company import Company
from codat_hub.companies.domain.creation import Creation
from codat_hub.companies.domain.new_company import CodatCompany
from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.product_event import ProductEvent
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.domain.replay import ReceivedBetween, Replay
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.ports import Matched
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.storage.found import Found
from codat_hub.webhooks.webhook_event import Delivery, Unrecognised, WebhookFacts


class FakeInbox:
    """An inbox that keeps deliveries by webhook-id; `down` makes it unavailable."""

    def __init__(self):
        self.stored: dict[str, tuple[Delivery, WebhookFacts | Unrecognised]] = {}
        self.down = False

    def store(self, delivery: Delivery, facts: WebhookFacts | Unrecognised) -> bool:
        if self.down:
            raise Unavailable("the inbox is down")
        new = delivery.webhook_id not in self.stored
        self.stored.setdefault(delivery.webhook_id, (delivery, facts))
        return new


class FakeSigningSecrets:
    """Signing secrets: `held` is the cached value, `current` the one that a reload brings."""

    def __init__(self, **held: list[str]):
        self.held = held
        self.current = held
        self.reloads = 0

    def verifiers(self, consumer: str) -> tuple[Webhook, ...]:
        return tuple(Webhook(secret) for secret in self.held.get(consumer, []))

    def reload(self) -> bool:
        self.reloads += 1
        self.held = self.current
        return True


class FakeSecretsManager:
    """Secrets Manager with one secret; a `value` that is an exception is raised."""

    def __init__(self, value):
        self.value = value
        self.calls = 0

    def get_secret_value(self, SecretId):  # noqa: N803  # boto3's own spelling
        self.calls += 1
        if isinstance(self.value, Exception):
            raise self.value
        return {} if self.value is None else {"SecretString": self.value}


class Versioned:
    """Values that only a writer with their last version can replace."""

    def __init__(self):
        self.kept: dict = {}
        self.writes = 0

    def _read(self, key, absent):
        return self.kept.get(key, (absent, 0))

    def _replace(self, key, value, version) -> bool:
        if self._read(key, None)[1] != version:
            return False
        self.kept[key] = (value, version + 1)
        self.writes += 1
        return True


class FakeReadStates(Versioned):
    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]:
        return self._read((company_id, product), ReadState())

    def put(self, company_id: str, product: str | None, state: ReadState, version: int) -> bool:
        return self._replace((company_id, product), state, version)


class FakeCompanies(Versioned):
    def get(self, company_id: str) -> tuple[Company, int]:
        return self._read(company_id, Company(company_id))

    def put(self, company: Company, version: int) -> bool:
        return self._replace(company.company_id, company, version)


class FakeRateLimits(Versioned):
    def get(self) -> tuple[RateLimitNotice | None, int]:
        return self._read("it", None)

    def put(self, limit: RateLimitNotice, version: int) -> bool:
        return self._replace("it", limit, version)


@dataclass
class FakeRegistry:
    """Products by name and kind; `data_types`: of some products."""

    registered: dict[str, str] = field(default_factory=dict)
    data_types: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def products(self) -> Found[str, Product]:
        return Found(
            {
                name: Product(name, ProductKind(kind), data_types=self.data_types.get(name, ()))
                for name, kind in self.registered.items()
            }
        )


class FakeParking:
    def __init__(self):
        self.parked: dict[str, str] = {}
        self.until: dict[str, datetime | None] = {}

    def park(
        self, webhook_id: str, reason: str, now: datetime, until: datetime | None = None
    ) -> None:
        self.parked.setdefault(webhook_id, reason)
        self.until.setdefault(webhook_id, until)

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        found = sorted(webhook_id for webhook_id in self.parked if webhook_id > (after or ""))[
            :limit
        ]
        return found, found[-1] if len(found) == limit else None

    def unpark(self, webhook_id: str) -> None:
        self.parked.pop(webhook_id, None)


class FakeReplays(Versioned):
    def get(self, replay_id: str) -> tuple[Replay | None, int]:
        return self._read(replay_id, None)

    def put(self, replay: Replay, version: int) -> bool:
        return self._replace(replay.replay_id, replay, version)


class FakeArchive:
    """An archive of webhooks in pages of `limit`; it ignores every filter but the time."""

    def __init__(self, limit: int = 2):
        self.webhooks: dict[str, StoredWebhook] = {}
        self.limit = limit

    def get(self, webhook_id: str) -> StoredWebhook | None:
        return self.webhooks.get(webhook_id)

    def page(
        self, received: ReceivedBetween, after: str | None
    ) -> tuple[list[StoredWebhook], str | None]:
        some = sorted(webhook_id for webhook_id in self.webhooks if webhook_id > (after or ""))[
            : self.limit
        ]
        found = [self.webhooks[webhook_id] for webhook_id in some]
        within = [
            webhook for webhook in found if received.since <= webhook.received_at < received.until
        ]
        return within, some[-1] if len(some) == self.limit else None


class FakeBus:
    """A bus that keeps published events and refuses the next `refusals` calls."""

    def __init__(self):
        self.published: list[ProductEvent] = []
        self.refusals = 0

    def publish(self, event: ProductEvent) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("EventBridge refused the event")
        self.published.append(event)


class FakeClientChecks:
    def __init__(self):
        self.kept: ClientCheck | None = None

    def last(self) -> ClientCheck | None:
        return self.kept

    def keep(self, check: ClientCheck) -> None:
        self.kept = check


class FakeAssignments(Versioned):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]:
        return self._read((company_id, product), Assignment(company_id, product))

    def put(self, assignment: Assignment, version: int) -> bool:
        return self._replace((assignment.company_id, assignment.product), assignment, version)


class FakeProductRegistry(Versioned):
    """The whole registry, versioned; `by` is the last caller that replaced it."""

    def __init__(self, *products: Product):
        super().__init__()
        self.by: list[str | None] = []
        self.unreadable: tuple[str, ...] = ()
        self.kept["it"] = ({product.identifier: product for product in products}, 1)

    def read(self) -> tuple[Found[str, Product], int]:
        known, version = self._read("it", {})
        return Found(known, set(self.unreadable) - known.keys()), version

    def replace(self, products, version: int, by: str | None = None) -> bool:
        self.by.append(by)
        return self._replace("it", {product.identifier: product for product in products}, version)


class FakeCodatCompanies:
    """Codat's companies; the next calls that change something raise `failures`.

    A failure is an exception, and whether the change happens all the same.
    """

    def __init__(self, *company_ids: str):
        self.held: dict[str, set[str]] = {company_id: set() for company_id in company_ids}
        self.names: dict[str, str] = dict.fromkeys(company_ids, "A company")
        self.failures: list[tuple[Exception, bool]] = []
        self.changes: list[tuple[str, ...]] = []
        self.answers: dict[str, CodatCompany] = {}

    def company(self, company_id: str) -> CodatCompany:
        if company_id not in self.held:
            raise NotFound("no company", status=404)
        return CodatCompany(company_id, self.names[company_id], tuple(self.held[company_id]))

    def add_product(self, company_id: str, product: str) -> None:
        self._change(lambda: self.held[company_id].add(product), "add", company_id, product)

    def remove_product(self, company_id: str, product: str) -> None:
        if product not in self.held[company_id]:
            raise NotFound("not assigned", status=404)
        self._change(lambda: self.held[company_id].discard(product), "remove", company_id, product)

    def create(self, new, products, key: str) -> CodatCompany:
        def make():
            company_id = f"company-{len(self.held) + 1}"
            self.held[company_id], self.names[company_id] = set(products), new.name
            self.answers[key] = CodatCompany(company_id, new.name, tuple(products), "https://link")

        if key not in self.answers:
            self._change(make, "create", new.name, key)
        return self.answers[key]

    def created_since(self, name: str, since: datetime) -> list[CodatCompany]:
        return [
            self.company(company_id) for company_id, known in self.names.items() if known == name
        ]

    def _change(self, change, *what: str) -> None:
        self.changes.append(what)
        failure, happens = self.failures.pop(0) if self.failures else (None, True)
        if happens:
            change()
        if failure is not None:
            raise failure


class FakeCreations(Versioned):
    def get(self, key: str) -> tuple[Creation | None, int]:
        return self._read(key, None)

    def put(self, key: str, creation: Creation, version: int) -> bool:
        return self._replace(key, creation, version)


class FakeSchedules:
    """Schedules; the next `refusals` calls of `match` fail half-way; `refused`: AWS's words."""

    def __init__(self):
        self.kept: dict[str, Schedule] = {}
        self.refusals = 0
        self.refused: dict[str, str] = {}

    def match(self, wanted) -> Matched:
        changed = [
            name for name in {*self.kept, *wanted} if self.kept.get(name) != wanted.get(name)
        ]
        if self.refusals:
            self.refusals -= 1
            self.kept |= dict(list(wanted.items())[:1])
            raise Unavailable("EventBridge Scheduler is down")
        self.kept = {name: known for name, known in wanted.items() if name not in self.refused}
        refused = {name: words for name, words in self.refused.items() if name in wanted}
        return Matched(tuple(sorted({*changed} - {*refused})), refused)


class FakeRefreshes:
    def __init__(self):
        self.cancelled: list[tuple[str, str, str]] = []

    def cancel(self, company_id: str, product: str, reason: str) -> None:
        self.cancelled.append((company_id, product, reason))
