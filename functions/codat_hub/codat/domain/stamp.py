"""The order of Codat's events: by their time, then by their id."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Stamp(NamedTuple):
    """When Codat made the event, then its id: the later stamp is the truth."""

    at: datetime
    event_id: str
