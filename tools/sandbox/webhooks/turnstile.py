"""The turnstile keeps a slow consumer from using up all places for attempts."""

from collections import Counter, defaultdict, deque
from typing import Final

MOST_PER_CONSUMER: Final = 8


class Turnstile:
    """Let a limited number of deliveries per consumer through; the others wait in line."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._line: defaultdict[str, deque[int]] = defaultdict(deque)

    def enter(self, consumer_id: str, number: int) -> bool:
        """Tell whether an attempt may start now; else `leave` returns it in its turn."""
        if self._inside[consumer_id] >= MOST_PER_CONSUMER:
            self._line[consumer_id].append(number)
            return False
        self._inside[consumer_id] += 1
        return True

    def leave(self, consumer_id: str) -> int | None:
        """End an attempt and return the consumer's next delivery in line, if any."""
        self._inside[consumer_id] -= 1
        line = self._line[consumer_id]
        return line.popleft() if line else None

    def dismiss(self, consumer_id: str) -> None:
        """Empty a consumer's line, as all its deliveries are planned again or dropped."""
        self._line.pop(consumer_id, None)
