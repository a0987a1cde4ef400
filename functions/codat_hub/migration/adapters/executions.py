"""Executions of the migration's state machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_stepfunctions import SFNClient

_RUNNING: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})


class Executions:
    """By name; each name is used once. Raises Unavailable when Step Functions does not answer."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, name: str, state: Mapping[str, Any]) -> None:
        """Start one; one of this name that was started before is the same one."""
        try:
            self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(state)
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"execution {name} was not started: {error}") from error

    def has_begun(self, name: str) -> bool:
        return self._status(name) is not None

    def runs(self, name: str) -> bool:
        return self._status(name) in _RUNNING

    def is_over(self, name: str) -> bool:
        """Tell whether it has ended; of one that was never started, or just now, it is not said."""
        return self._status(name) not in {None, *_RUNNING}

    def _status(self, name: str) -> str | None:
        try:
            answer = self._client.describe_execution(executionArn=self._execution(name))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"execution {name} was not looked up: {error}") from error
        return answer["status"]

    def stop(self, name: str, cause: str) -> None:
        try:
            self._client.stop_execution(
                executionArn=self._execution(name), error="RollbackAsked", cause=cause
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"execution {name} was not stopped: {error}") from error

    def resume(self, token: str) -> bool:
        """End a wait. Tells whether somebody was still waiting."""
        gone = self._client.exceptions
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except (gone.TaskTimedOut, gone.TaskDoesNotExist, gone.InvalidToken):
            return False
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the wait was not ended: {error}") from error
        return True

    def _execution(self, name: str) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
