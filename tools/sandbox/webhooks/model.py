"""The state of webhook delivery is plain data, so that it can be saved."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    """The state of one message at one consumer."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(slots=True)
class Secret:
    """A signing secret, `whsec_…`; after a rotation the old secret signs until it expires."""

    value: str
    expires: datetime | None = None


@dataclass(slots=True)
class Consumer:
    """A webhook endpoint of the client; the newest of `secrets` is first."""

    id: str
    url: str
    event_types: list[str]
    secrets: list[Secret]
    company_tags: list[str] | None = None
    disabled: bool = False
    # Since when every attempt has failed; Codat switches an endpoint off after five days.
    failing_since: datetime | None = None


@dataclass(slots=True)
class Message:
    """One sent event: the same `webhook-id` and bytes for every consumer and attempt."""

    id: str
    event_id: str
    event_type: str
    # Sandbox time, as in the body's generatedDate.
    generated: datetime
    body: str
    company_id: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """One attempt: its real time, the status (None: no answer), and how many seconds it took."""

    at: datetime
    status: int | None
    latency_seconds: float
    error: str | None = None


@dataclass(slots=True)
class Delivery:
    """One message on its way to one consumer; during an attempt `due` is None."""

    number: int
    message_id: str
    consumer_id: str
    due: datetime | None
    state: DeliveryState = DeliveryState.PENDING
    attempts: list[Attempt] = field(default_factory=list)
    is_copy: bool = False
    note: str | None = None


@dataclass(slots=True)
class DeliveryRules:
    """How messages travel: at least once, in any order, with scaled retries."""

    retry_scale: float
    duplicate_probability: float = 0.0
    reorder: bool = False


@dataclass(slots=True)
class PostState:
    """All consumers, messages and deliveries."""

    rules: DeliveryRules
    consumers: dict[str, Consumer] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    last_number: int = 0
