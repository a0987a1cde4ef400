"""How long a refresh waits before it is asked for again: exponential backoff with full jitter."""

from datetime import timedelta
from typing import Final

BASE: Final = timedelta(seconds=30)
CAP: Final = timedelta(hours=1)
_STEPS_TO_CAP: Final = 7  # 30 s doubled seven times is over an hour

# A webhook normally wakes a busy ticket, so its own tries start two steps later. Otherwise the hub
# would call as often as without wake-ups.
ANNOUNCED: Final = 2  # steps, so the first wait is up to 2 minutes


def longest(step: int) -> timedelta:
    """Return the bound of the wait after failure number `step`, from 1: 30 s, 1 min, 2 min… 1 h."""
    return min(CAP, BASE * (1 << min(max(step - 1, 0), _STEPS_TO_CAP)))


def wait(step: int, chance: float) -> timedelta:
    """Return a wait between nothing and the bound; `chance` is drawn evenly from 0 to 1."""
    return longest(step) * chance
