"""A test asks for faults: what goes wrong, and how often."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Reset(StrEnum):
    """Cut the connection instead of answering, before or after the request is carried out."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class Fault:
    """A fault applies to the next `times` requests that match by method and path (search)."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    latency_seconds: float = 0.0
    reset: Reset | None = None


class Faults:
    """The waiting faults; the oldest that matches is used first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request and count its use; None without one."""
        for fault in self.waiting:
            if fault.method in {"*", method} and fault.path.search(path):
                fault.times -= 1
                if fault.times == 0:
                    self.waiting.remove(fault)
                return fault
        return None
