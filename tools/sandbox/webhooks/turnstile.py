"""Keeps one slow consumer from taking every place that there is for attempts."""

from collections import Counter, defaultdict, deque
from typing import Final

MOST_PER_CONSUMER: Final = 8


class Turnstile:
    """Lets a limited number of deliveries per consumer through; the others wait in line."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._line: defaultdict[str, deque[int]] = defaultdict(deque)

    def enter(self, consumer_id: str, number: int) -> bool:
        """Whether the attempt may be made now; otherwise `leave` will name it in its turn."""
        if self._inside[consumer_id] >= MOST_PER_CONSUMER:
            self._line[consumer_id].append(number)
            return False
        self._inside[consumer_id] += 1
        return True

    def leave(self, consumer_id: str) -> int | None:
        """An attempt is over: which delivery of this consumer is next in line, if any."""
        self._inside[consumer_id] -= 1
        line = self._line[consumer_id]
        return line.popleft() if line else None

    def dismiss(self, consumer_id: str) -> None:
        """Nobody waits any more: all of the consumer's deliveries are planned anew, or dropped."""
        self._line.pop(consumer_id, None)
