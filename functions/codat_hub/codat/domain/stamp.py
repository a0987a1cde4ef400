"""The order of Codat's events: by time, then by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Stamp(NamedTuple):
    """The time and the id of an event; of two events the greater stamp is the newer."""

    at: datetime
    event_id: str
