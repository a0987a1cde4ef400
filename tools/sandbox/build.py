"""Puts a world together: the seed's state, and which rule handles which happening."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from tools.sandbox import ratelimits
from tools.sandbox.identifiers import Identifiers
from tools.sandbox.model import State, SyncSettings
from tools.sandbox.options import Options
from tools.sandbox.webhooks.model import DeliveryRules, Message, PostState
from tools.sandbox.world import Happening, World

HAPPENINGS: Final[Mapping[str, Happening]] = {
    "quota.reset": ratelimits.on_reset,
}


def new_state(options: Options, now: datetime) -> State:
    """The world as the seed has it at `now`."""
    return State(now, SyncSettings([]), {})


def new_post(options: Options, ids: Identifiers) -> PostState:
    """The consumers that the client had before: only if asked for."""
    return PostState(DeliveryRules(options.retry_scale))


def new_world(
    options: Options, state: State, publish: Callable[[Message], None], run: str = ""
) -> World:
    """A world over `state`; `run` makes the ids it gives out differ from another run's."""
    return World(state, replace(options, run=run), publish, HAPPENINGS)
