"""The archive of the product bus, and its replays to one rule: EventBridge's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from codat_hub.errors import Conflict, Invalid, Problem
from codat_hub.product_events.domain.resend import Resend, ResendStatus, TeamRule, TimeSpan
from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUESTED_BY: Final = "requested by "
_LONGEST: Final = 512  # characters of a replay's description
_STATES: Final = {
    "STARTING": ResendStatus.STARTING,
    "RUNNING": ResendStatus.RUNNING,
    "CANCELLING": ResendStatus.CANCELLING,
    "COMPLETED": ResendStatus.COMPLETE,
    "CANCELLED": ResendStatus.CANCELLED,
    "FAILED": ResendStatus.FAILED,
}


class EventArchive:
    """The archive. Every method raises Unavailable when EventBridge does not answer.

    A resend is a replay of EventBridge, which keeps it for 90 days. Its name is the archive's, then
    the resend's id.

    client: boto3's `events` client
    exists: the stack has an archive
    """

    def __init__(self, client: Any, bus_arn: str, archive_arn: str, *, exists: bool) -> None:
        self.exists = exists
        self._client = client
        self._bus_arn = bus_arn
        self._archive_arn = archive_arn

    def rule(self, name: str) -> TeamRule | None:
        """Return a rule of the bus, None if there is none."""
        bus = self._bus_arn.partition("event-bus/")[2]
        with unavailable("the rule was not read"):
            try:
                rule = self._client.describe_rule(Name=name, EventBusName=bus)
            except self._client.exceptions.ResourceNotFoundException:
                return None
        return TeamRule(rule["Name"], rule["Arn"], rule["State"] == "ENABLED")

    def size(self) -> int:
        """Return how many events the archive has; EventBridge counts them about once a day."""
        name = self._archive_arn.rpartition("/")[2]
        with unavailable("the archive was not read"):
            return int(self._client.describe_archive(ArchiveName=name)["EventCount"])

    def start(self, resend_id: str, rule: TeamRule, span: TimeSpan, by: str) -> bool:
        """Start a resend; return False if there is one of this id.

        Raises Conflict if EventBridge takes no further replay, Invalid if it refuses the time span.
        """
        errors = self._client.exceptions
        with unavailable("the resend was not started"):
            try:
                self._client.start_replay(
                    ReplayName=self._replay(resend_id),
                    Description=f"{_REQUESTED_BY}{by}"[:_LONGEST],
                    EventSourceArn=self._archive_arn,
                    EventStartTime=span.since,
                    EventEndTime=span.until,
                    Destination={"Arn": self._bus_arn, "FilterArns": [rule.arn]},
                )
            except errors.ResourceAlreadyExistsException:
                return False
            except errors.LimitExceededException as error:
                raise Conflict(
                    "EventBridge runs ten replays at once in an account, and not one more."
                    " Start the resend when another one is over."
                ) from error
            except ClientError as error:
                if error.response["Error"]["Code"] != "ValidationException":
                    raise
                raise Invalid(_refused(span, error.response["Error"]["Message"])) from error
        return True

    def get(self, resend_id: str) -> Resend | None:
        """Return a resend, None if there is none or it is over 90 days old."""
        with unavailable("the resend was not read"):
            try:
                replay = self._client.describe_replay(ReplayName=self._replay(resend_id))
            except self._client.exceptions.ResourceNotFoundException:
                return None
        return _resend(resend_id, replay)

    def cancel(self, resend_id: str) -> None:
        """Cancel a resend. One that is over stays as it is."""
        with unavailable("the resend was not cancelled"):
            try:
                self._client.cancel_replay(ReplayName=self._replay(resend_id))
            except self._client.exceptions.IllegalStatusException:
                return

    def _replay(self, resend_id: str) -> str:
        return f"{self._archive_arn.rpartition('/')[2]}-{resend_id}"


def _refused(span: TimeSpan, words: str) -> Problem:
    """Return EventBridge's refusal of a time span; its words name the parameter first."""
    at_end = words.startswith("Parameter EventEndTime")
    field, moment = ("to", span.until) if at_end else ("from", span.since)
    return Problem(field, f"EventBridge refuses it: {words}", moment.isoformat())


def _resend(resend_id: str, replay: Mapping[str, Any]) -> Resend:
    named = replay["Destination"].get("FilterArns") or [""]
    description = replay.get("Description") or ""
    return Resend(
        resend_id=resend_id,
        rule=named[0].rpartition("/")[2],
        span=TimeSpan(replay["EventStartTime"], replay["EventEndTime"]),
        status=_STATES[replay["State"]],
        requested_by=description.removeprefix(_REQUESTED_BY) or None,
        started_at=replay.get("ReplayStartTime"),
        ended_at=replay.get("ReplayEndTime"),
        reached=replay.get("EventLastReplayedTime"),
        reason=replay.get("StateReason") or None,
    )
