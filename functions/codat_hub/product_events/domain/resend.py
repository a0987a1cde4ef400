"""A resend: archived product events of a time span, handed again to one team's rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ResendStatus(StrEnum):
    """How far a resend is; `planned`: it was only asked what it would do."""

    PLANNED = "planned"
    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    FAILED = "failed"  # `reason` has EventBridge's words


@dataclass(frozen=True, slots=True)
class TeamRule:
    """A rule on the bus. enabled: it hands events to its targets."""

    name: str
    arn: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """Events that were published from `since` on and before `until`.

    Times are aware, in UTC and whole seconds, as EventBridge takes them.
    """

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Resend:
    """A resend and its progress.

    resend_id: None while it is only planned
    reached: the time of the event that was handed over last
    """

    resend_id: str | None
    rule: str
    span: TimeSpan
    status: ResendStatus
    requested_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reached: datetime | None = None
    reason: str | None = None

    @property
    def over(self) -> bool:
        return self.status in {
            ResendStatus.COMPLETE,
            ResendStatus.CANCELLED,
            ResendStatus.FAILED,
        }
