"""Tests await a condition instead of sleeping."""

import time
from collections.abc import Callable


def eventually[Value](
    condition: Callable[[], Value], seconds: float = 30, poll: float = 0.05
) -> Value:
    """Return the first truthy value; after `seconds` fail with the last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {value!r}"
        time.sleep(poll)
    return value
