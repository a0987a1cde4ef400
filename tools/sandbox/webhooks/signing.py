"""A delivery has a Standard Webhooks signature (HMAC-SHA256) for each valid secret."""

import base64
from datetime import datetime, timedelta

from standardwebhooks import Webhook

from tools.sandbox.webhooks.model import Consumer, Message, Secret
from tools.sandbox.world.identifiers import Identifiers

SECRET_BYTES = 24
# Svix lets a rotated secret sign for another day of real time (docs/codat.md, C41).
OLD_SECRET_LIFE = timedelta(hours=24)


def new_secret(ids: Identifiers) -> Secret:
    """Return a new secret in the form that Codat's Portal shows."""
    return Secret("whsec_" + base64.b64encode(ids.bytes(SECRET_BYTES)).decode())


def rotate(consumer: Consumer, ids: Identifiers, now: datetime) -> None:
    """Give the consumer a new secret; its old secrets sign for 24 more hours."""
    for secret in consumer.secrets:
        secret.expires = secret.expires or now + OLD_SECRET_LIFE
    consumer.secrets.insert(0, new_secret(ids))


def valid_secrets(consumer: Consumer, now: datetime) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    return [s.value for s in consumer.secrets if s.expires is None or s.expires > now]


def signed_headers(consumer: Consumer, message: Message, now: datetime) -> dict[str, str]:
    """Return the three headers of an attempt made now, in real time, as the receiver checks it."""
    signatures = [
        Webhook(secret).sign(message.id, now, message.body)
        for secret in valid_secrets(consumer, now)
    ]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
