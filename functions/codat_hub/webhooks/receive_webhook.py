"""Verify a delivery over its raw bytes, say what it is about, store it once."""

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
TOLERANCE: Final = timedelta(minutes=5)  # each way; Standard Webhooks' own (docs/codat.md, C40)


class DeliveryOutcome(StrEnum):
    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


class Inbox(Protocol):
    def store(self, delivery: Delivery, facts: WebhookFacts | Unrecognised) -> bool: ...


class SigningSecrets(Protocol):
    def verifiers(self, consumer: str) -> tuple[Webhook, ...]: ...
    def reload(self) -> bool: ...


class ReceiveWebhook:
    """Call it with the path's consumer, the headers and the raw body."""

    def __init__(
        self,
        inbox: Inbox,
        secrets: SigningSecrets,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inbox = inbox
        self._secrets = secrets
        self._now = now

    def __call__(self, consumer: str, headers: Mapping[str, str], body: bytes) -> DeliveryOutcome:
        """Raise TooLarge, Refused or Unavailable; nothing is known to be stored then."""
        if len(body) > MAX_BODY:
            raise TooLarge
        if not is_consumer(consumer):
            raise Refused("not a consumer's name")
        signed, now = parse_signature_headers(headers), self._now()
        # the library judges this too, but then an old delivery could make us reload the secrets
        if abs(now.timestamp() - int(signed.timestamp)) > TOLERANCE.total_seconds():
            raise Refused("signed at another time")
        if not self._authentic(consumer, signed, body):
            known = bool(self._secrets.verifiers(consumer))
            raise Refused("signed with no known secret" if known else "unknown consumer")
        return self._store(Delivery(signed.webhook_id, consumer, body, now))

    def _authentic(self, consumer: str, signed: SignatureHeaders, body: bytes) -> bool:
        def any_verifies() -> bool:
            verifiers = self._secrets.verifiers(consumer)
            return any(_verifies(verifier, signed, body) for verifier in verifiers)

        # A secret rotated a moment ago is not in memory yet: look once more before refusing.
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
    """Let the library check HMAC and time (300 s each way) over the raw bytes."""
    headers = {
        "webhook-id": signed.webhook_id,
        "webhook-timestamp": signed.timestamp,
        "webhook-signature": " ".join(signed.signatures),
    }
    try:
        verifier.verify(body, headers, json_parse=False)
    except Exception:  # noqa: BLE001  # it raises ValueError kinds too; every failure is a refusal
        return False
    return True
