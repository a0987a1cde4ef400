"""The place where the next page of a sharded list begins."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list that goes through the shards in order, and in each by company id.

    shard: from 0 to SHARDS - 1
    after: the last company id before the place; None: the shard's beginning
    """

    shard: int = 0
    after: str | None = None
