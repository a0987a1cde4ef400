"""Working in-memory stand-ins for adapters; contract tests hold them to the real ones."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from codat_hub.domain.client_check import ClientCheck
from codat_hub.adapters.state_table import ItemKey, Listed, Stored
from codat_hub.domain.company import Company
from codat_hub.domain.product_event import ProductEvent
from codat_hub.domain.rate_limit import RateLimit
from codat_hub.domain.read_state import ReadState
from codat_hub.domain.webhook_event import Delivery, Placed, Unplaced
from codat_hub.errors import Unavailable


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


class FakeTable:
    """The State table in memory, with the same conditions: everything above it is the real code."""

    def __init__(self):
        self.items: dict[ItemKey, tuple[dict[str, Any], int, Listed | None]] = {}

    def get(self, key: ItemKey) -> Stored:
        attributes, version, _ = self.items.get(key, ({}, 0, None))
        return Stored(copy.deepcopy(attributes), version)

    def get_many(self, keys: Iterable[ItemKey]) -> dict[ItemKey, Stored]:
        return {key: self.get(key) for key in keys if key in self.items}

    def under(self, prefix: ItemKey) -> list[tuple[ItemKey, Stored]]:
        found = (k for k in self.items if k.pk == prefix.pk and k.sk.startswith(prefix.sk))
        return [(key, self.get(key)) for key in sorted(found)]

    def listed(self, group, *, after=None, up_to=None, limit=100):
        ranks = sorted(
            (listed.rank, key)
            for key, (_, _, listed) in self.items.items()
            if listed and listed.group == group and (after is None or listed.rank > after)
        )
        return [one for one in ranks if up_to is None or one[0] <= up_to][:limit]

    def put(self, key, attributes, version, listed=None) -> bool:
        if self.get(key).version != version:
            return False
        given = {name: value for name, value in attributes.items() if value is not None}
        self.items[key] = (copy.deepcopy(given), version + 1, listed)
        return True

    def put_while(self, guard, guard_version, puts) -> bool:
        puts = list(puts)
        checks = [(guard, guard_version), *((key, version) for key, _, version in puts)]
        if any(self.get(key).version != version for key, version in checks):
            return False
        return all([self.put(*one) for one in puts])
