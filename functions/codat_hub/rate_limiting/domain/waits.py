"""What keeps an open ticket from its call."""

from enum import StrEnum


class Waits(StrEnum):
    """What an open ticket is kept back by; none of these is an attempt, or a backoff step."""

    LEASE = "lease"  # another refresh of the company, until its read has completed
    PACE = "pace"
    BREAKER = "breaker"
    RATE_LIMIT = "rate_limit"  # Codat's quota is used up
    RESERVE = "reserve"  # what is left of it is for people
