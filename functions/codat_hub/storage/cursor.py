"""Where a list goes on that is spread over shards."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a list has come: shard after shard, in each by company id."""

    shard: int = 0
    after: str | None = None
