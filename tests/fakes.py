"""Working in-memory stand-ins for adapters; contract tests hold them to the real ones."""

from standardwebhooks import Webhook

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
