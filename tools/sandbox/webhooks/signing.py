"""Signatures of a delivery: HMAC-SHA256 by Standard Webhooks, one per valid secret."""

import base64
from datetime import datetime, timedelta

from standardwebhooks import Webhook

from tools.sandbox.webhooks.model import Consumer, Message, Secret
from tools.sandbox.world.identifiers import Identifiers

SECRET_BYTES = 24
# The provider lets a rotated secret sign for another day (real time).
OLD_SECRET_LIFE = timedelta(hours=24)


def new_secret(ids: Identifiers) -> Secret:
    """A fresh secret in the form that Codat's Portal shows."""
    return Secret("whsec_" + base64.b64encode(ids.bytes(SECRET_BYTES)).decode())


def rotate(consumer: Consumer, ids: Identifiers, now: datetime) -> None:
    """Give the consumer a new secret; those it had go on signing for 24 hours."""
    for secret in consumer.secrets:
        secret.expires = secret.expires or now + OLD_SECRET_LIFE
    consumer.secrets.insert(0, new_secret(ids))


def valid_secrets(consumer: Consumer, now: datetime) -> list[str]:
    """The secrets that sign at this moment, newest first."""
    return [s.value for s in consumer.secrets if s.expires is None or s.expires > now]


def signed_headers(consumer: Consumer, message: Message, now: datetime) -> dict[str, str]:
    """The three headers of an attempt made now (real time: the receiver checks it)."""
    signatures = [
        Webhook(secret).sign(message.id, now, message.body)
        for secret in valid_secrets(consumer, now)
    ]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
