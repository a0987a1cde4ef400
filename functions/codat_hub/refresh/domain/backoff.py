"""How long to wait before asking again: full jitter, so that those who failed together part."""

from datetime import timedelta
from typing import Final

BASE: Final = timedelta(seconds=30)
CAP: Final = timedelta(hours=1)
_STEPS_TO_CAP: Final = 7  # 30 s doubled seven times is over an hour


# The end of a read is announced by its event, so asking "still busy?" is only the safety net: it
# begins at 2 minutes. Without it the wake-up would be as dear in calls as backoff alone.
ANNOUNCED: Final = 2  # steps to skip


def longest(step: int) -> timedelta:
    """The bound of the wait after the failure number `step`, from 1: 30 s, 1 min, 2 min… 1 h."""
    return min(CAP, BASE * (1 << min(max(step - 1, 0), _STEPS_TO_CAP)))


def wait(step: int, chance: float) -> timedelta:
    """Anything from nothing to the bound; `chance` is drawn evenly from 0 to 1."""
    return longest(step) * chance
