"""The calls of /_sandbox for webhook consumers, as in the Portal, and for messages."""

import json
from typing import Any

from tools.sandbox.portal.contract import BadInput, Delivery, Event, Example, Replay
from tools.sandbox.portal.portal import Portal
from tools.sandbox.runtime import Sandbox
from tools.sandbox.webhooks import examples, signing
from tools.sandbox.webhooks.model import Consumer, DeliveryState, Message
from tools.sandbox.webhooks.model import Delivery as Travelling
from tools.sandbox.world import catalog
from tools.sandbox.world.moments import codat_date

portal = Portal()


@portal.post("/webhooks/{webhook_id}/disable")
def disable(sandbox: Sandbox, params: dict[str, str]) -> dict[str, Any]:
    """Disable an endpoint; it gets no attempts until it is enabled again."""
    consumer = _consumer(sandbox, params)
    consumer.disabled = True
    return {"id": consumer.id, "disabled": True}


@portal.post("/webhooks/{webhook_id}/enable")
def enable(sandbox: Sandbox, params: dict[str, str]) -> dict[str, Any]:
    """Enable an endpoint; its remaining attempts resume."""
    consumer = _consumer(sandbox, params)
    sandbox.office.enable(consumer)
    return {"id": consumer.id, "disabled": False}


@portal.get("/webhooks/{webhook_id}/secret")
def secret(sandbox: Sandbox, params: dict[str, str]) -> dict[str, Any]:
    """Return the signing secrets that are valid now, the newest first."""
    return {"secrets": signing.valid_secrets(_consumer(sandbox, params), sandbox.wall())}


@portal.post("/webhooks/{webhook_id}/rotate")
def rotate(sandbox: Sandbox, params: dict[str, str]) -> dict[str, Any]:
    """Create a new secret; the old secret also signs for 24 hours of real time."""
    signing.rotate(_consumer(sandbox, params), sandbox.ids, sandbox.wall())
    return secret(sandbox, params)


@portal.post("/webhooks/{webhook_id}/example")
def example(sandbox: Sandbox, params: dict[str, str], wanted: Example) -> dict[str, Any]:
    """Send an example of any event type, as the Testing tab does, without a subscription."""
    consumer = _consumer(sandbox, params)
    custom = _custom_products(sandbox)
    try:
        payload = examples.payload(wanted.event_type, custom)
    except KeyError:
        allowed = "an event type of Codat or of a custom product: " + ", ".join(custom)
        raise BadInput("eventType", wanted.event_type, allowed) from None
    message = sandbox.world.compose(wanted.event_type, payload, about=None)
    sandbox.office.hand_over(message, consumer.id)
    return {"webhookId": message.id, "eventId": message.event_id}


@portal.post("/webhooks/{webhook_id}/replay")
def replay(sandbox: Sandbox, params: dict[str, str], wanted: Replay) -> dict[str, Any]:
    """Send again, with the same webhook-ids, the messages since a time of the sandbox."""
    consumer = _consumer(sandbox, params)
    if wanted.since.tzinfo is None:
        raise BadInput("since", wanted.since.isoformat(), "a date-time with its offset")
    every = wanted.include == "all"
    sent = sandbox.office.replay(consumer, wanted.since, even_delivered=every)
    return {"replayed": len(sent), "webhookIds": sent}


@portal.post("/events")
def emit(sandbox: Sandbox, _: dict[str, str], wanted: Event) -> dict[str, Any]:
    """Make Codat send any event, to its subscribers or to one named consumer."""
    about = sandbox.world.company(wanted.company_id) if wanted.company_id else None
    named = wanted.consumer_id and _consumer(sandbox, {"webhook_id": wanted.consumer_id})
    message = sandbox.world.compose(wanted.event_type, wanted.payload, about)
    receivers = [named] if named else sandbox.office.subscribers(message)
    for _copy in range(wanted.copies):
        for consumer in receivers:
            sandbox.office.hand_over(message, consumer.id, shuffle=wanted.shuffle)
    sandbox.office.keep(message)
    return {
        "webhookId": message.id,
        "eventId": message.event_id,
        "consumers": [consumer.id for consumer in receivers],
    }


@portal.get("/event-types")
def event_types(sandbox: Sandbox, _: dict[str, str]) -> list[str]:
    """List every event type that /example knows."""
    return catalog.event_types(list(_custom_products(sandbox)))


@portal.get("/delivery")
def rules(sandbox: Sandbox, _: dict[str, str]) -> dict[str, Any]:
    """Show how messages are duplicated, reordered and retried now."""
    current = sandbox.office.state.rules
    return {
        "duplicateProbability": current.duplicate_probability,
        "reorder": current.reorder,
        "retryScale": current.retry_scale,
    }


@portal.post("/delivery")
def change_rules(sandbox: Sandbox, params: dict[str, str], wanted: Delivery) -> dict[str, Any]:
    """Change how messages are duplicated, reordered and retried; planned retries stay."""
    for name, value in wanted.model_dump(exclude_none=True).items():
        setattr(sandbox.office.state.rules, name, value)
    return rules(sandbox, params)


@portal.get("/deliveries")
def deliveries(sandbox: Sandbox, _: dict[str, str]) -> list[dict[str, Any]]:
    """List every delivery to every consumer with each attempt, the oldest first."""
    post = sandbox.office.state
    return [
        _delivery(sandbox, delivery, message)
        for delivery in post.deliveries.values()
        if (
            message := post.messages.get(delivery.message_id)
        )  # messages over two weeks old are gone
    ]


def _delivery(sandbox: Sandbox, delivery: Travelling, message: Message) -> dict[str, Any]:
    consumer = sandbox.office.state.consumers.get(delivery.consumer_id)
    return {
        "consumer": delivery.consumer_id,
        "url": consumer.url if consumer else None,
        "webhookId": message.id,
        "eventId": message.event_id,
        "eventType": message.event_type,
        "companyId": message.company_id,
        "generatedDate": codat_date(message.generated),
        "event": json.loads(message.body),
        "state": delivery.state.value,
        "isCopy": delivery.is_copy,
        "note": delivery.note,
        "nextAttempt": delivery.due.isoformat() if delivery.due else None,
        "underWay": delivery.due is None and delivery.state is DeliveryState.PENDING,
        "attempts": [
            {
                "time": attempt.at.isoformat(),
                "status": attempt.status,
                "latencySeconds": round(attempt.latency_seconds, 6),
                "error": attempt.error,
            }
            for attempt in delivery.attempts
        ],
    }


def _custom_products(sandbox: Sandbox) -> dict[str, list[str]]:
    products = sandbox.world.state.products.values()
    return {product.identifier: product.data_types for product in products if product.custom}


def _consumer(sandbox: Sandbox, params: dict[str, str]) -> Consumer:
    wanted = params["webhook_id"]
    if consumer := sandbox.office.state.consumers.get(wanted):
        return consumer
    known = ", ".join(sandbox.office.state.consumers) or "none: there are no consumers"
    raise BadInput("webhook id", wanted, known, status=404)
