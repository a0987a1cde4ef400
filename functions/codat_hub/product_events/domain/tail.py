"""A tail: a temporary rule and queue by which a person follows the bus for an hour at most."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LASTS: Final = timedelta(hours=1)
_ID: Final = re.compile(r"(\d{10})-[0-9a-f]{8}", re.ASCII)
_MESSAGE: Final = "tail#"


@dataclass(frozen=True, slots=True)
class Tail:
    """A tail of the product bus.

    tail_id: starts with the end of the tail in epoch seconds, so no item has to keep it
    product: None: all products
    """

    tail_id: str
    open_until: datetime
    product: str | None = None

    @property
    def message(self) -> str:
        """Return the message by which the tail is ended in time."""
        return f"{_MESSAGE}{self.tail_id}"


def new_tail(product: str | None, now: datetime, tag: str) -> Tail:
    """Return a tail from now on. `tag`: eight hexadecimal digits that no other tail has."""
    until = (now + LASTS).replace(microsecond=0)
    return Tail(f"{int(until.timestamp())}-{tag}", until, product)


def known_tail(tail_id: str) -> Tail | None:
    """Return the tail of an id, None if the hub gives no such ids."""
    found = _ID.fullmatch(tail_id)
    return None if found is None else Tail(tail_id, datetime.fromtimestamp(int(found[1]), UTC))


def tail_of(message: str) -> Tail | None:
    """Return the tail that a message is about, None for any other message."""
    return known_tail(message.removeprefix(_MESSAGE)) if message.startswith(_MESSAGE) else None
