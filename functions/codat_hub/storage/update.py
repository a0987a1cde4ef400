"""How an item is changed that others may change at the same time."""

from typing import Final

TRIES: Final = 10
