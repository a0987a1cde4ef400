"""Receive a delivery: verify its raw bytes, recognise its facts, store it once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.errors import Refused, TooLarge
from codat_hub.telemetry import logger
from codat_hub.webhooks.signature_headers import SignatureHeaders, parse_signature_headers
from codat_hub.webhooks.signing_secret import is_consumer
from codat_hub.webhooks.webhook_event import Delivery, Unrecognised, WebhookFacts, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from standardwebhooks import Webhook

MAX_BODY: Final = 256 * 1024  # bytes; DynamoDB holds 400 KB an item, Codat's largest is about 25 KB
# Each way, as in Standard Webhooks (docs/codat.md, C40). A longer time has no effect: the library
# `standardwebhooks`, which checks the signature, refuses after five minutes by itself.
TOLERANCE: Final = timedelta(minutes=5)


class DeliveryOutcome(StrEnum):
    """The outcome of an authentic delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"  # stored, but not recognised


class Inbox(Protocol):
    """The store of deliveries. `store` returns whether the webhook-id was new."""

    def store(self, delivery: Delivery, facts: WebhookFacts | Unrecognised) -> bool: ...


class Verifiers(Protocol):
    """The verifiers of each consumer's secrets. `reload` returns whether it read them again."""

    def verifiers(self, consumer: str) -> tuple[Webhook, ...]: ...
    def reload(self) -> bool: ...


class ReceiveWebhook:
    """Stores authentic deliveries and refuses all others."""

    def __init__(
        self,
        inbox: Inbox,
        secrets: Verifiers,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inbox = inbox
        self._secrets = secrets
        self._now = now

    def __call__(self, consumer: str, headers: Mapping[str, str], body: bytes) -> DeliveryOutcome:
        """Store a delivery and return its outcome.

        consumer: the name at the end of the URL; headers: in any case; body: the raw bytes

        Raises TooLarge or Refused, and stores nothing. Raises Unavailable when the delivery may
        not have been stored: Codat sends it again.
        """
        if len(body) > MAX_BODY:
            raise TooLarge
        if not is_consumer(consumer):
            raise Refused("not a consumer's name")
        signed, now = parse_signature_headers(headers), self._now()
        # Check the time first: an old delivery must not cause a reload of the secrets.
        if abs(now.timestamp() - int(signed.timestamp)) > TOLERANCE.total_seconds():
            raise Refused("timestamp over 5 minutes from now")
        if not self._authentic(consumer, signed, body):
            known = bool(self._secrets.verifiers(consumer))
            raise Refused("signed with no known secret" if known else "unknown consumer")
        return self._store(Delivery(signed.webhook_id, consumer, body, now))

    def _authentic(self, consumer: str, signed: SignatureHeaders, body: bytes) -> bool:
        def any_verifies() -> bool:
            verifiers = self._secrets.verifiers(consumer)
            return any(_verifies(verifier, signed, body) for verifier in verifiers)

        # A new secret may not be in memory yet: reload once before refusing.
        return any_verifies() or (self._secrets.reload() and any_verifies())

    def _store(self, delivery: Delivery) -> DeliveryOutcome:
        facts = recognise(delivery.body)
        outcome = (
            DeliveryOutcome.QUARANTINED
            if isinstance(facts, Unrecognised)
            else DeliveryOutcome.STORED
        )
        if not self._inbox.store(delivery, facts):
            outcome = DeliveryOutcome.DUPLICATE
        logger.info(
            "webhook received",
            outcome=outcome,
            webhook_id=delivery.webhook_id,
            consumer=delivery.consumer,
            **asdict(facts),
        )
        return outcome


def _verifies(verifier: Webhook, signed: SignatureHeaders, body: bytes) -> bool:
    """Return whether the library accepts the signature of the raw bytes and the timestamp."""
    headers = {
        "webhook-id": signed.webhook_id,
        "webhook-timestamp": signed.timestamp,
        "webhook-signature": " ".join(signed.signatures),
    }
    try:
        verifier.verify(body, headers, json_parse=False)
    except Exception:  # noqa: BLE001  # it also raises kinds of ValueError: all mean "no"
        return False
    return True
