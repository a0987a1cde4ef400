"""Starts the planner's Lambda for a person, and does not wait for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_lambda import LambdaClient


class PlannerFunction:
    """Opens the tickets of all companies of a product. Raises Unavailable."""

    def __init__(self, client: LambdaClient, function_arn: str) -> None:
        self._client = client
        self._function_arn = function_arn

    def __call__(self, product: str, at: datetime, by: str) -> None:
        event = {"product": product, "scheduled_time": at.isoformat(), "requested_by": by}
        with unavailable("the planner was not started"):
            self._client.invoke(
                FunctionName=self._function_arn,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )
