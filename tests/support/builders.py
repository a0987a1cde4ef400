"""Webhooks as Codat sends them, with defaults: `a_read_completed(product="invoice-finance")`."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER_SECRET = "whsec_xS1PPS55Ogep2ESxwOzSWZjeWLHJOhuM"
COMPANY = "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10"
CONNECTION = "d3c1a6f2-0b7e-4e3a-8a4f-6c2e9b5d7f01"


def an_event(event_type: str, payload: dict[str, Any], **envelope: Any) -> bytes:
    event = {
        "id": "f7580941-2b3c-4a4d-98f5-60718293a4b5",
        "eventType": event_type,
        "generatedDate": "2026-07-02T23:05:33.845Z",
        "payload": payload,
    }
    return json.dumps(event | envelope).encode()


def a_read_completed(product: str | None = "invoice-finance", subs: str = "", **payload) -> bytes:
    prefix = f"{product}." if product else ""
    return an_event(f"{prefix}read.completed{subs}", a_read_payload(**payload))


def a_read_payload(**changes: Any) -> dict[str, Any]:
    invoices = {
        "connectionId": CONNECTION,
        "dataType": "invoices",
        "recordsModified": True,
        "status": "Complete",
        "issues": [],
    }
    payload = {
        "referenceCompany": {"id": COMPANY, "name": "Harbour Lane Bakery Ltd"},
        "modifiedFromDate": "2026-07-01T23:00:00.0000000Z",
        "dataTypes": [invoices],
    }
    return payload | changes


def sign(secret: str, webhook_id: str, timestamp: int | str, body: bytes) -> str:
    """Compute a v1 signature without the library under test."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}"


def signed_headers(
    body: bytes, webhook_id: str = "msg_1", secret: str = SECRET, at: float | None = None
) -> dict[str, str]:
    timestamp = int(time.time() if at is None else at)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, webhook_id, timestamp, body),
    }
