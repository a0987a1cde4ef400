"""The effect of a completed read on the refreshes of its company."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Woken:
    """`completed`: a refresh waited for this read; `woken`: a waiting refresh was sent."""

    completed: bool = False
    woken: bool = False
