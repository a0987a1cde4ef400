"""The refresh schedules: EventBridge Scheduler, one per product, in the stack's own group."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from codat_hub.products.domain.product import Schedule

_PREFIX: Final = "refresh-"  # what else is in the group is not ours to delete
_LONGEST: Final = 64  # EventBridge Scheduler's own limit
# A planner that could not be started is tried again for an hour, then noted in the queue.
_RETRIES: Final = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 30}
_COMPARED: Final = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "FlexibleTimeWindow",
    "Target",
)


@dataclass(frozen=True, slots=True)
class Planner:
    """What a schedule starts: a function, under which role, and where what failed is noted."""

    function_arn: str
    role_arn: str
    failures_arn: str


class RefreshSchedules:
    """`match` compares with what the group really holds: repeating it mends half-done work."""

    def __init__(self, client: EventBridgeSchedulerClient, group: str, planner: Planner) -> None:
        self._client = client
        self._group = group
        self._planner = planner

    def match(self, wanted: Mapping[str, Schedule]) -> list[str]:
        """Make these the schedules; return the products whose schedule changed. Raises Unavailable.

        One that is not enabled is kept, disabled. Times are exact: no flexible window.
        """
        names = {schedule_name(product): product for product in wanted}
        changed = []
        try:
            present = self._names()
            for name, product in names.items():
                if self._put(name, self._request(product, wanted[product]), name in present):
                    changed.append(product)
            for name in sorted(present - set(names)):
                self._delete(name)
                changed.append(name.removeprefix(_PREFIX))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the schedules do not match the registry yet: {error}") from error
        return changed

    def _names(self) -> set[str]:
        pages = self._client.get_paginator("list_schedules").paginate(
            GroupName=self._group, NamePrefix=_PREFIX
        )
        return {one["Name"] for page in pages for one in page["Schedules"]}

    def _put(self, name: str, request: dict[str, Any], present: bool) -> bool:
        named = {"Name": name, "GroupName": self._group, **request}
        if present:
            held: Any = self._client.get_schedule(Name=name, GroupName=self._group)
            if all(held.get(part) == request[part] for part in _COMPARED):
                return False
            self._client.update_schedule(**named)
            return True
        try:
            self._client.create_schedule(**named)
        except self._client.exceptions.ConflictException:  # somebody else made it meanwhile
            self._client.update_schedule(**named)
        return True

    def _delete(self, name: str) -> None:
        try:
            self._client.delete_schedule(Name=name, GroupName=self._group)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def _request(self, product: str, schedule: Schedule) -> dict[str, Any]:
        given = {"product": product, "scheduled_time": "<aws.scheduler.scheduled-time>"}
        return {
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.timezone,
            "State": "ENABLED" if schedule.enabled else "DISABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": self._planner.function_arn,
                "RoleArn": self._planner.role_arn,
                "Input": json.dumps(given),
                "RetryPolicy": _RETRIES,
                "DeadLetterConfig": {"Arn": self._planner.failures_arn},
            },
        }


def schedule_name(product: str) -> str:
    """Return the schedule's name: the product's, made fit, and no other product's ever."""
    name = f"{_PREFIX}{product}"
    if len(name) <= _LONGEST and re.fullmatch(r"[0-9A-Za-z._-]+", name):
        return name
    digest = hashlib.sha256(product.encode()).hexdigest()[:16]
    kept = re.sub(r"[^0-9A-Za-z._-]", "-", name)[: _LONGEST - len(digest) - 1]
    return f"{kept}-{digest}"
