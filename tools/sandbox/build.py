"""Put a world together: its first state, and which rule handles which kind of agenda entry."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from tools.sandbox.options import Options
from tools.sandbox.reads import reads
from tools.sandbox.requests import rate_limits
from tools.sandbox.settings import schedules
from tools.sandbox.webhooks.model import Consumer, DeliveryRules, Message, PostState
from tools.sandbox.webhooks.signing import new_secret
from tools.sandbox.world.catalog import COMPANY_EVENTS, CONNECTION_EVENTS
from tools.sandbox.world.identifiers import Identifiers
from tools.sandbox.world.model import State
from tools.sandbox.world.seed import seeded_state
from tools.sandbox.world.world import Happening, World

HAPPENINGS: Final[Mapping[str, Happening]] = {
    "dataset.end": reads.on_dataset_end,
    "client.replan": schedules.on_replan,
    "client.schedule": schedules.on_client_schedule,
    "product.schedule": schedules.on_product_schedule,
    "quota.reset": rate_limits.on_reset,
}
# The event types of the consumers that the client had before products.
_OLD_SUBSCRIPTIONS: Final = (
    ["read.completed", "read.completed.initial", *CONNECTION_EVENTS, *COMPANY_EVENTS],
    ["read.completed"],
)
_OLD_TAGS: Final = (None, ["region:uk"])


def new_state(options: Options, now: datetime) -> State:
    """Return the state that the seed gives at `now`."""
    return seeded_state(options, now)


def new_post(options: Options, ids: Identifiers) -> PostState:
    """Return the consumers from before products; none without an address for them."""
    post = PostState(DeliveryRules(options.retry_scale))
    if url := options.old_consumers_url:
        seeded = Identifiers(f"consumers:{options.seed}")
        for event_types, tags in zip(_OLD_SUBSCRIPTIONS, _OLD_TAGS, strict=True):
            secrets = [new_secret(ids)]
            consumer = Consumer(seeded.uuid(), url, event_types, secrets, company_tags=tags)
            post.consumers[consumer.id] = consumer
    return post


def new_world(
    options: Options, state: State, publish: Callable[[Message], None], run: str = ""
) -> World:
    """Return a world over `state`; `run` makes its new ids differ from those of another run."""
    world = World(state, replace(options, run=run), publish, HAPPENINGS)
    for company in state.companies.values():
        schedules.plan_client(world, company)
    return world
