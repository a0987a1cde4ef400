"""Working in-memory stand-ins for adapters; contract tests hold them to the real ones."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from datetime import datetime

from standardwebhooks import Webhook

from codat_hub.adapters.state_table import ItemKey, Listed, Stored
from codat_hub.domain.assignment import Assignment
from codat_hub.domain.client_check import ClientCheck
from codat_hub.domain.company import Company
from codat_hub.domain.consent import ConsentEntry
from codat_hub.domain.creation import Creation
from codat_hub.domain.found import Found
from codat_hub.domain.new_company import CodatCompany
from codat_hub.domain.product import Product, Schedule
from codat_hub.domain.product_event import ProductEvent
from codat_hub.domain.rate_limit import RateLimit
from codat_hub.domain.read_state import ReadState
from codat_hub.domain.replay import Received, Replay
from codat_hub.domain.stored_webhook import StoredWebhook
from codat_hub.domain.webhook_event import Delivery, Placed, Unplaced
from codat_hub.errors import NotFound, Unavailable


class FakeInbox:
    """Keeps deliveries by webhook-id; `down` makes it unavailable."""

    def __init__(self):
        self.stored: dict[str, tuple[Delivery, Placed | Unplaced]] = {}
        self.down = False

    def store(self, delivery: Delivery, facts: Placed | Unplaced) -> bool:
        if self.down:
            raise Unavailable("the inbox is down")
        new = delivery.webhook_id not in self.stored
        self.stored.setdefault(delivery.webhook_id, (delivery, facts))
        return new


class FakeSigningSecrets:
    """`held` is in memory; `current` is what a reload would bring."""

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
    """get_secret_value of one secret; set `value` to an exception to make it fail."""

    def __init__(self, value):
        self.value = value
        self.calls = 0

    def get_secret_value(self, SecretId):  # noqa: N803  # boto3's own spelling
        self.calls += 1
        if isinstance(self.value, Exception):
            raise self.value
        return {} if self.value is None else {"SecretString": self.value}


class Versioned:
    """Values that are replaced only by whoever read their last version."""

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
    def get(self) -> tuple[RateLimit | None, int]:
        return self._read("it", None)

    def put(self, limit: RateLimit, version: int) -> bool:
        return self._replace("it", limit, version)


@dataclass
class FakeRegistry:
    registered: dict[str, str] = field(default_factory=dict)

    def kinds(self) -> dict[str, str]:
        return self.registered


class FakeParking:
    def __init__(self):
        self.parked: dict[str, str] = {}

    def park(self, webhook_id: str, reason: str, now: datetime) -> None:
        self.parked.setdefault(webhook_id, reason)

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        found = sorted(one for one in self.parked if one > (after or ""))[:limit]
        return found, found[-1] if len(found) == limit else None

    def unpark(self, webhook_id: str) -> None:
        self.parked.pop(webhook_id, None)


class FakeReplays(Versioned):
    def get(self, replay_id: str) -> tuple[Replay | None, int]:
        return self._read(replay_id, None)

    def put(self, replay: Replay, version: int) -> bool:
        return self._replace(replay.replay_id, replay, version)


class FakeArchive:
    """Keeps webhooks by id; pages of `limit`, in which every filter but the time is ignored."""

    def __init__(self, limit: int = 2):
        self.webhooks: dict[str, StoredWebhook] = {}
        self.limit = limit

    def get(self, webhook_id: str) -> StoredWebhook | None:
        return self.webhooks.get(webhook_id)

    def page(self, received: Received, after: str | None) -> tuple[list[StoredWebhook], str | None]:
        some = sorted(one for one in self.webhooks if one > (after or ""))[: self.limit]
        found = [self.webhooks[one] for one in some]
        within = [one for one in found if received.since <= one.received_at < received.until]
        return within, some[-1] if len(some) == self.limit else None


class FakeBus:
    """Keeps what was published; refuses while `refusals` last."""

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


_LAST = ItemKey("\U0010ffff", "")  # behind every key of one rank


class FakeStateTable:
    """The State table in memory: versions, index and all; counts what DynamoDB would bill.

    `before_put` and `after_put` are called around each write: a test may die there.
    """

    def __init__(self):
        self.items: dict[ItemKey, tuple[dict, int, Listed | None]] = {}
        self.partitions: dict[str, set[ItemKey]] = {}
        self.index: dict[str, list[tuple[str, ItemKey]]] = {}
        self.reads = 0
        self.writes = 0
        self.index_writes = 0
        self.before_put = self.after_put = lambda: None

    def get(self, key):
        self.reads += 1
        attributes, version, _ = self.items.get(key, ({}, 0, None))
        return Stored(attributes, version)

    def get_many(self, keys):
        wanted = dict.fromkeys(keys)
        self.reads += len(wanted)
        return {key: Stored(*self.items[key][:2]) for key in wanted if key in self.items}

    def under(self, prefix):
        self.reads += 1
        keys = (one for one in self.partitions.get(prefix.pk, ()) if one.sk.startswith(prefix.sk))
        return [(key, Stored(*self.items[key][:2])) for key in sorted(keys)]

    def listed(self, group, *, after=None, up_to=None, limit=100):
        self.reads += 1
        ranks = self.index.get(group, [])
        first = 0 if after is None else bisect_right(ranks, (after, _LAST))
        last = len(ranks) if up_to is None else bisect_right(ranks, (up_to, _LAST))
        return ranks[first : min(last, first + limit)]

    def latest(self, group, *, before=None, limit=100):
        self.reads += 1
        ranks = self.index.get(group, [])
        last = len(ranks) if before is None else bisect_left(ranks, (before, ItemKey("", "")))
        return ranks[:last][: -limit - 1 : -1]

    def put(self, key, attributes, version, listed=None):
        self.before_put()
        _, known, before = self.items.get(key, ({}, 0, None))
        if known != version:
            return False
        kept = {name: value for name, value in attributes.items() if value is not None}
        self.items[key] = (kept, version + 1, listed)
        self.partitions.setdefault(key.pk, set()).add(key)
        self.writes += 1
        if listed != before:
            self._list(key, before, listed)
        self.after_put()
        return True

    def put_while(self, guard, guard_version, puts):
        puts = list(puts)
        checks = [(guard, guard_version), *((key, version) for key, _, version in puts)]
        if any(self.get(key).version != version for key, version in checks):
            return False
        for one in puts:
            self.put(*one)
        return True

    def spoil(self, key, /, **changes):
        """Change an item as somebody by hand would, or another version; None: take it away.

        Returns what it was.
        """
        attributes, version, listed = self.items[key]
        kept = {name: value for name, value in (attributes | changes).items() if value is not None}
        self.items[key] = (kept, version, listed)
        return attributes

    def _list(self, key, before, listed):
        if before is not None:
            self.index_writes += 1
            ranks = self.index[before.group]
            ranks.pop(bisect_left(ranks, (before.rank, key)))
        if listed is not None:
            self.index_writes += 1
            insort(self.index.setdefault(listed.group, []), (listed.rank, key))


class FakeAssignments(Versioned):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]:
        return self._read((company_id, product), Assignment(company_id, product))

    def put(self, assignment: Assignment, version: int) -> bool:
        return self._replace((assignment.company_id, assignment.product), assignment, version)


class FakeConsentLedger:
    def __init__(self):
        self.kept: dict[tuple[str, str], list[ConsentEntry]] = {}

    def newest(self, company_id: str, product: str) -> ConsentEntry | None:
        entries = self.kept.get((company_id, product))
        return entries[-1] if entries else None

    def entries(self, company_id: str) -> list[ConsentEntry]:
        mine = [
            entries for (company, _), entries in sorted(self.kept.items()) if company == company_id
        ]
        return [entry for entries in mine for entry in entries]

    def append(self, company_id: str, entry: ConsentEntry) -> bool:
        entries = self.kept.setdefault((company_id, entry.consent.product), [])
        if entry.number != len(entries) + 1:
            return False
        entries.append(entry)
        return True


class FakeProductRegistry(Versioned):
    """The whole registry, replaced by whoever read its last version; `by`: who did so."""

    def __init__(self, *products: Product):
        super().__init__()
        self.by: list[str | None] = []
        self.unreadable: tuple[str, ...] = ()
        self.kept["it"] = ({one.identifier: one for one in products}, 1)

    def read(self) -> tuple[Found[str, Product], int]:
        known, version = self._read("it", {})
        return Found(known, set(self.unreadable) - known.keys()), version

    def replace(self, products, version: int, by: str | None = None) -> bool:
        self.by.append(by)
        return self._replace("it", {one.identifier: one for one in products}, version)


class FakeCodatCompanies:
    """Codat's companies. `failures` are raised by the next calls that change something: each is an

    exception and whether the change happens all the same.
    """

    def __init__(self, *company_ids: str):
        self.held: dict[str, set[str]] = {one: set() for one in company_ids}
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
        return [self.company(one) for one, known in self.names.items() if known == name]

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
    """`match` fails while `refusals` last, half of the work done."""

    def __init__(self):
        self.kept: dict[str, Schedule] = {}
        self.refusals = 0

    def match(self, wanted) -> list[str]:
        changed = [
            name for name in {*self.kept, *wanted} if self.kept.get(name) != wanted.get(name)
        ]
        if self.refusals:
            self.refusals -= 1
            self.kept |= dict(list(wanted.items())[:1])
            raise Unavailable("EventBridge Scheduler is down")
        self.kept = dict(wanted)
        return sorted(changed)


class FakeRefreshes:
    def __init__(self):
        self.cancelled: list[tuple[str, str, str]] = []

    def cancel(self, company_id: str, product: str, reason: str) -> None:
        self.cancelled.append((company_id, product, reason))


@dataclass
class FakeMigrations:
    held: set[tuple[str, str]] = field(default_factory=set)

    def holds(self, company_id: str, product: str) -> bool:
        return (company_id, product) in self.held
