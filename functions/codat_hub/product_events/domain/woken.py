"""What the end of a read meant to the refreshes of its company."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Woken:
    """`completed`: a refresh waited for this read; `woken`: the next refresh was sent."""

    completed: bool = False
    woken: bool = False
