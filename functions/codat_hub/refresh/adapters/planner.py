"""Starting the planner's function for a person, without waiting for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_lambda import LambdaClient


class PlannerFunction:
    """Raises Unavailable."""

    def __init__(self, client: LambdaClient, function_arn: str) -> None:
        self._client = client
        self._function_arn = function_arn

    def __call__(self, product: str, at: datetime, by: str) -> None:
        event = {"product": product, "scheduled_time": at.isoformat(), "requested_by": by}
        try:
            self._client.invoke(
                FunctionName=self._function_arn,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the planner was not started: {error}") from error
