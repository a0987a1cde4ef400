"""What the scenes do: deliver webhooks, use the sandbox, and read the inbox."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from standardwebhooks import Webhook

from tools.demo.story import Scene
from tools.local.codat import codat_client
from tools.local.stack import Description, LocalStack

_POLL = 0.05  # seconds


@dataclass(frozen=True)
class Hub:
    """The deployed hub as stack.json describes it, and the sandbox."""

    local: LocalStack
    stack: Description

    def deliver(
        self,
        scene: Scene,
        webhook_id: str,
        body: bytes,
        *,
        secret: str | None = None,
        age: timedelta = timedelta(),
        consumer: str | None = None,
        **headers: str,
    ) -> int:
        """Send a signed webhook, any part of which can be replaced; return the HTTP status."""
        signed_at = datetime.now(UTC) - age
        signer = Webhook(secret or self.stack["webhook_secret"])
        signature = signer.sign(webhook_id, signed_at, body.decode())
        sent = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": signature,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.stack["webhook_url"]
        url = f"{url.rpartition('/')[0]}/{consumer}" if consumer else url
        started = time.monotonic()
        answer = httpx.post(url, content=body, headers=sent, timeout=30)
        scene.answered(answer.status_code, time.monotonic() - started, answer.text)
        return answer.status_code

    def item(self, webhook_id: str) -> dict[str, str] | None:
        """Return the values of an inbox item by attribute, None if there is no item."""
        answer = self.local.emulator.client("dynamodb").get_item(
            TableName=self.stack["inbox_table"],
            Key={"webhook_id": {"S": webhook_id}},
            ConsistentRead=True,
        )
        if "Item" not in answer:
            return None
        return {name: str(next(iter(value.values()))) for name, value in answer["Item"].items()}

    def note(self, scene: Scene, webhook_ids: set[str]) -> int:
        """Count for the scene how many of these webhooks are in the inbox."""
        items = [item for item in map(self.item, webhook_ids) if item]
        scene.stored = len(items)
        scene.quarantined = sum("quarantine" in item for item in items)
        return len(items)

    def codat(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the sandbox. Raises httpx.HTTPStatusError."""
        about = {"url": self.stack["sandbox_url"], "api_key": self.stack["codat_api_key"]}
        with codat_client(about) as client:
            answer = client.request(method, path, json=body).raise_for_status()
        return answer.json() if answer.content else None

    def emit(self, event_type: str, payload: dict[str, Any], **how: Any) -> str:
        """Make the sandbox send an event to its subscribers; return the webhook-id."""
        body = {"eventType": event_type, "payload": payload, **how}
        return str(self.codat("POST", "/_sandbox/events", body)["webhookId"])

    def follow(self, scene: Scene, webhook_ids: set[str]) -> bool:
        """Show the sandbox's delivery attempts; tell whether all these messages have arrived."""
        messages = self.codat("GET", "/_sandbox/deliveries")
        ours = [message for message in messages if message["webhookId"] in webhook_ids]
        attempts = [attempt for message in ours for attempt in message["attempts"]]
        scene.answers = Counter(attempt["status"] or 0 for attempt in attempts)
        scene.latencies = [attempt["latencySeconds"] for attempt in attempts]
        self.note(scene, webhook_ids)
        return all(message["state"] == "delivered" for message in ours)

    def settle(self, scene: Scene, webhook_ids: set[str]) -> None:
        """Wait until all these messages have arrived, and show each attempt."""
        wait_until(lambda: self.follow(scene, webhook_ids), seconds=150)

    def denied(self, action: str) -> AbstractContextManager[None]:
        """Deny the deployed webhook function one permission inside the block."""
        function = self.stack["receive_webhook_logs"].rpartition("/")[2]
        return self.local.emulator.denied(function, action)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Poll until the condition holds; return False if it did not hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
