"""Scenes: signed webhooks travel through the deployed stack into DynamoDB."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from codat_hub.webhooks.signing_secret_store import SigningSecretStore
from tools.demo.hub import Hub, wait_until
from tools.demo.story import Story

_COMPANY: Final = "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10"
_FORGERIES: Final[tuple[dict[str, Any], ...]] = (
    {"webhook_signature": f"v1,{'A' * 43}="},
    {"webhook_signature": "v1"},
    {"webhook_signature": "v1,a,b"},
    {"webhook_timestamp": "1" * 400},
    {"age": timedelta(seconds=400)},
    {"age": timedelta(seconds=-400)},
    {"secret": "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE="},
    {"consumer": "nobody"},
)


def play(story: Story, hub: Hub) -> None:
    _products(story, hub)
    _burst(story, hub)
    _refusals(story, hub)
    _too_large(story, hub)
    _quarantine(story, hub)
    _outage(story, hub)
    _rotation(story, hub)


def _products(story: Story, hub: Hub) -> None:
    with story.scene("reads of three products, reordered, some sent twice") as scene:
        hub.codat("POST", "/_sandbox/delivery", {"duplicateProbability": 0.3, "reorder": True})
        products = [f"{product}." for product in hub.stack["custom_products"]] + [""]
        sent: set[str] = set()
        for product in products:
            sent |= {hub.emit(f"{product}read.completed", _read()) for _ in range(8)}
            hub.settle(scene, sent)
        hub.codat("POST", "/_sandbox/delivery", {"duplicateProbability": 0, "reorder": False})
        scene.expect("every message is stored once", scene.stored == len(sent))
        scene.expect("every delivery is answered 200", set(scene.answers) == {200})
        scene.expect("some messages came more than once", scene.answers.total() > len(sent))


def _burst(story: Story, hub: Hub) -> None:
    with story.scene("one message sent 30 times at once") as scene:
        body = _event("invoice-finance.read.completed")
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: hub.deliver(scene, "msg_demo_burst", body), range(30)))
        scene.expect("one item is stored", hub.note(scene, {"msg_demo_burst"}) == 1)
        scene.expect("every delivery is answered 200", scene.answers == {200: 30})
        item = hub.item("msg_demo_burst") or {}
        scene.expect("the body is stored byte for byte", item.get("body", "").encode() == body)


def _refusals(story: Story, hub: Hub) -> None:
    body = _event("read.completed")
    with story.scene("forged, stale, foreign and malformed webhooks") as scene:
        for number, forged in enumerate(_FORGERIES):
            forgery: dict[str, Any] = {**forged}
            hub.deliver(scene, f"msg_demo_forged_{number}", body, **forgery)
        ids = {f"msg_demo_forged_{number}" for number in range(len(_FORGERIES))}
        scene.expect("nothing is stored", hub.note(scene, ids) == 0)
        scene.expect("each is answered 401", scene.answers == {401: len(_FORGERIES)})
        scene.expect("each answer is the same", len(scene.bodies) == 1)


def _too_large(story: Story, hub: Hub) -> None:
    with story.scene("a webhook of 300 kB") as scene:
        status = hub.deliver(scene, "msg_demo_large", b" " * 300_000)
        scene.expect("it is answered 413", status == 413)
        scene.expect("it is not stored", hub.note(scene, {"msg_demo_large"}) == 0)


def _quarantine(story: Story, hub: Hub) -> None:
    with story.scene("authentic webhooks of an unknown kind") as scene:
        bodies = [b"not json", b"[]", _event("some.new.event"), _event("read.completed", {})]
        ids = {f"msg_demo_odd_{number}" for number in range(len(bodies))}
        for number, body in enumerate(bodies):
            hub.deliver(scene, f"msg_demo_odd_{number}", body)
        hub.note(scene, ids)
        scene.expect("each is answered 202", scene.answers == {202: 4})
        scene.expect("each is in quarantine", scene.quarantined == 4)


def _outage(story: Story, hub: Hub) -> None:
    with story.scene("an outage of DynamoDB, then Codat retries") as scene:
        with hub.denied("dynamodb:PutItem"):
            sent = {hub.emit("invoice-finance.read.completed", _read()) for _ in range(3)}
            down = wait_until(lambda: hub.follow(scene, sent) or scene.answers[503] >= len(sent))
            scene.expect("nothing is stored during the outage", down and scene.stored == 0)
        hub.settle(scene, sent)
        scene.expect("all are stored after the outage", scene.stored == len(sent))
        scene.expect("the first attempts are answered 503", scene.answers[503] >= len(sent))


def _rotation(story: Story, hub: Hub) -> None:
    with story.scene("a secret is rotated while webhooks arrive") as scene:
        consumers = hub.codat("GET", "/webhooks")["results"]
        (identifier,) = (c["id"] for c in consumers if c["url"].endswith("/invoice-finance"))
        sent = {hub.emit("invoice-finance.read.completed", _read()) for _ in range(4)}
        hub.codat("POST", f"/_sandbox/webhooks/{identifier}/rotate")
        sent |= {hub.emit("invoice-finance.read.completed", _read()) for _ in range(4)}
        secrets = hub.codat("GET", f"/_sandbox/webhooks/{identifier}/secret")["secrets"]
        manager = hub.local.emulator.client("secretsmanager")
        store = SigningSecretStore(manager, hub.stack["signing_secrets_arn"])
        store.set({"invoice-finance": secrets})
        sent |= {hub.emit("invoice-finance.read.completed", _read()) for _ in range(4)}
        hub.settle(scene, sent)
        scene.expect("all are stored", scene.stored == len(sent))
        scene.expect("none is refused", set(scene.answers) == {200})


def _read() -> dict[str, Any]:
    connection = "d3c1a6f2-0b7e-4e3a-8a4f-6c2e9b5d7f01"
    payments = {
        "connectionId": connection,
        "dataType": "payments",
        "recordsModified": True,
        "status": "Complete",
        "issues": [],
    }
    return {
        "referenceCompany": {"id": _COMPANY, "name": "Harbour Lane Bakery Ltd"},
        "modifiedFromDate": "2026-07-01T23:00:00.0000000Z",
        "dataTypes": [payments],
    }


def _event(event_type: str, payload: dict[str, Any] | None = None) -> bytes:
    event = {
        "id": "f7580941-2b3c-4a4d-98f5-60718293a4b5",
        "eventType": event_type,
        "generatedDate": "2026-07-02T23:05:33.845Z",
        "payload": _read() if payload is None else payload,
    }
    return json.dumps(event, indent=1).encode()
