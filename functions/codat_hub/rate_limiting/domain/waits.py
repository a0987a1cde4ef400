"""The things that keep an open ticket from its call."""

from enum import StrEnum


class Waits(StrEnum):
    """What an open ticket waits for. Waiting counts neither as an attempt nor as a backoff step."""

    LEASE = "lease"  # another refresh of the company runs, until its read completes
    PACE = "pace"
    BREAKER = "breaker"
    RATE_LIMIT = "rate_limit"  # Codat's quota is used up
    RESERVE = "reserve"  # the rest of the quota is kept for people
