"""Resend archived product events of a time span to one team's rule."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Absent, Conflict, Invalid, Problem, RequestReused
from codat_hub.product_events.domain.resend import Resend, ResendStatus, TimeSpan
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.product_events.domain.resend import TeamRule
    from codat_hub.product_events.ports import EventArchives

_KEYS: Final = uuid.UUID("0d8bb1a4-7c1a-4a86-a1a5-5c1d6d0f6f3e")  # the hub's own namespace
_ID_LENGTH: Final = 12  # the name of a replay has 64 characters at most


@dataclass(frozen=True)
class ResendEvents:
    """Starts, shows and cancels resends. The rule's own pattern selects its team's events."""

    archive: EventArchives
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def plan(self, rule: str, span: TimeSpan) -> tuple[Resend, int]:
        """Return a resend that is not started, and how many events it has at most.

        Raises Absent, Conflict, Invalid, Unavailable as `start` does.
        """
        self._rule(rule, span)
        return Resend(None, rule, span, ResendStatus.PLANNED), self.archive.size()

    def start(self, rule: str, span: TimeSpan, by: str, key: str | None = None) -> Resend:
        """Start a resend and return it.

        by: the caller's ARN
        key: the same key of the same caller starts nothing a second time

        Raises Unavailable; Invalid for a time span that EventBridge does not take; Absent without
        such a rule; Conflict without an archive or with a disabled rule; RequestReused if the key
        came with another body.
        """
        resend_id = (self.new_id() if key is None else str(uuid.uuid5(_KEYS, f"{by} {key}")))[
            -_ID_LENGTH:
        ]
        known_rule = self._rule(rule, span)
        if self.archive.start(resend_id, known_rule, span, by):
            logger.info("resend started", resend_id=resend_id, rule=rule, requested_by=by)
        resend = self.show(resend_id)
        if (resend.rule, resend.span) != (rule, span):
            raise RequestReused(f"The Idempotency-Key came with another body before: {resend_id}")
        return resend

    def show(self, resend_id: str) -> Resend:
        """Return a resend. Raises Absent, Unavailable."""
        resend = self.archive.get(resend_id)
        if resend is None:
            raise Absent(
                f"There is no resend {resend_id!r}, or it is over 90 days old."
                " Start one: tools/hub events resend."
            )
        return resend

    def cancel(self, resend_id: str, by: str) -> Resend:
        """Cancel a resend and return it; one that is over stays as it is.

        Raises Absent, Unavailable.
        """
        if not self.show(resend_id).over:
            self.archive.cancel(resend_id)
            logger.info("resend cancelled", resend_id=resend_id, by=by)
        return self.show(resend_id)

    def _rule(self, name: str, span: TimeSpan) -> TeamRule:
        if not self.archive.exists:
            raise Conflict(
                "This stack has no archive of product events. Deploy it with EventArchiveDays above"
                " 0 to keep them from then on; for what is lost now, owe the product a full load:"
                " tools/hub events full-load"
            )
        if span.since >= span.until:
            raise Invalid(Problem("from", "is not before `to`", span.since.isoformat()))
        if span.until > self.now():
            raise Invalid(Problem("to", "is in the future", span.until.isoformat()))
        rule = self.archive.rule(name)
        if rule is None:
            raise Absent(f"The product bus has no rule {name}.")
        if not rule.enabled:
            raise Conflict(
                f"The rule {name} is disabled, so it would hand nothing over. Enable it first:"
                f" aws events enable-rule --name {name}"
            )
        return rule
