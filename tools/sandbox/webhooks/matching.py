"""Which message a consumer is to get, now or again."""

from datetime import datetime

from tools.sandbox.webhooks.model import Consumer, DeliveryState, Message, PostState


def subscribes(consumer: Consumer, message: Message) -> bool:
    """Event type by name, and any tag of the company if the consumer filters by tag."""
    if message.event_type not in consumer.event_types:
        return False
    return not consumer.company_tags or not set(consumer.company_tags).isdisjoint(message.tags)


def to_replay(
    state: PostState, consumer: Consumer, since: datetime, *, even_delivered: bool
) -> list[str]:
    """What was generated since a time that the consumer lacks, or everything."""
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
