"""Rules for the messages that a consumer gets, now or by a replay."""

from datetime import datetime

from tools.sandbox.webhooks.model import Consumer, DeliveryState, Message, PostState


def subscribes(consumer: Consumer, message: Message) -> bool:
    """Tell whether event type and company tags match; without tags any company does."""
    if message.event_type not in consumer.event_types:
        return False
    return not consumer.company_tags or not set(consumer.company_tags).isdisjoint(message.tags)


def to_replay(
    state: PostState, consumer: Consumer, since: datetime, *, even_delivered: bool
) -> list[str]:
    """Return ids of the messages since a time: those that the consumer lacks, or all."""
    on_its_way_or_there = {
        delivery.message_id
        for delivery in state.deliveries.values()
        if delivery.consumer_id == consumer.id and delivery.state is not DeliveryState.FAILED
    }
    return [
        message.id
        for message in state.messages.values()
        if message.generated >= since
        and subscribes(consumer, message)
        and (even_delivered or message.id not in on_its_way_or_there)
    ]
