"""The refresh schedules of EventBridge Scheduler: one for each product, in the stack's group."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.products.ports import Matched
from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from codat_hub.products.domain.product import Schedule

_PREFIX: Final = "refresh-"  # of the hub's own schedules; it deletes no other
_LONGEST: Final = 64  # the limit of EventBridge Scheduler
# A start that fails is repeated for an hour, then its event goes to the queue of failures.
_RETRIES: Final = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 30}
_COMPARED: Final = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "FlexibleTimeWindow",
    "Target",
)


_REFUSALS: Final = {"ValidationException", "ServiceQuotaExceededException"}


@dataclass(frozen=True, slots=True)
class Planner:
    """The function that a schedule starts, its role, and the queue of failed starts."""

    function_arn: str
    role_arn: str
    failures_arn: str


class RefreshSchedules:
    """The schedules of the group. `match` compares with them, so a repeat finishes the work."""

    def __init__(self, client: EventBridgeSchedulerClient, group: str, planner: Planner) -> None:
        self._client = client
        self._group = group
        self._planner = planner

    def match(self, wanted: Mapping[str, Schedule]) -> Matched:
        """Make these the schedules. One that EventBridge Scheduler refuses stays as it was.

        A schedule that is not enabled is kept, disabled. Times are exact, without a flexible
        window. Raises Unavailable, once every schedule had its turn; a repeat finishes the work.
        """
        names = {schedule_name(product): product for product in wanted}
        with unavailable("the schedules do not match the registry yet"):
            present = self._names()
        work = {name: partial(self._delete, name) for name in sorted(present - set(names))}
        work |= {
            name: partial(self._put, name, self._request(product, wanted[product]), name in present)
            for name, product in names.items()
        }
        changed, refused, failures = [], {}, []
        for name, do in work.items():
            product = names.get(name, name.removeprefix(_PREFIX))
            try:
                if do():
                    changed.append(product)
            except (ClientError, BotoCoreError) as error:
                words = _refusal(error)
                if words is None:
                    failures.append(error)
                else:
                    refused[product] = words
        for failure in failures:
            with unavailable("the schedules do not match the registry yet"):
                raise failure
        return Matched(tuple(sorted(changed)), refused)

    def _names(self) -> set[str]:
        pages = self._client.get_paginator("list_schedules").paginate(
            GroupName=self._group, NamePrefix=_PREFIX
        )
        return {schedule["Name"] for page in pages for schedule in page["Schedules"]}

    def _put(self, name: str, request: dict[str, Any], present: bool) -> bool:
        """Create or update a schedule; tell whether it changed."""
        named = {"Name": name, "GroupName": self._group, **request}
        if present:
            held: Any = self._client.get_schedule(Name=name, GroupName=self._group)
            if all(held.get(part) == request[part] for part in _COMPARED):
                return False
            self._client.update_schedule(**named)
            return True
        try:
            self._client.create_schedule(**named)
        except self._client.exceptions.ConflictException:  # another request created it meanwhile
            self._client.update_schedule(**named)
        return True

    def _delete(self, name: str) -> bool:
        with suppress(self._client.exceptions.ResourceNotFoundException):
            self._client.delete_schedule(Name=name, GroupName=self._group)
        return True

    def _request(self, product: str, schedule: Schedule) -> dict[str, Any]:
        planner_input = {"product": product, "scheduled_time": "<aws.scheduler.scheduled-time>"}
        return {
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.timezone,
            "State": "ENABLED" if schedule.enabled else "DISABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": self._planner.function_arn,
                "RoleArn": self._planner.role_arn,
                "Input": json.dumps(planner_input),
                "RetryPolicy": _RETRIES,
                "DeadLetterConfig": {"Arn": self._planner.failures_arn},
            },
        }


def _refusal(error: ClientError | BotoCoreError) -> str | None:
    """Return AWS's words for a schedule that it will not take; None for a failure that may pass."""
    if not isinstance(error, ClientError):
        return None
    said = error.response.get("Error", {})
    return (said.get("Message") or said["Code"]) if said.get("Code") in _REFUSALS else None


def schedule_name(product: str) -> str:
    """Return a name that EventBridge Scheduler takes and that no other product has."""
    name = f"{_PREFIX}{product}"
    if len(name) <= _LONGEST and re.fullmatch(r"[0-9A-Za-z._-]+", name):
        return name
    digest = hashlib.sha256(product.encode()).hexdigest()[:16]
    kept = re.sub(r"[^0-9A-Za-z._-]", "-", name)[: _LONGEST - len(digest) - 1]
    return f"{kept}-{digest}"
