"""Executions of the migration's state machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_stepfunctions import SFNClient

_RUNNING: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})


class MigrationExecutions:
    """Executions by name; each name is used once. Raises Unavailable."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, name: str, state: Mapping[str, Any]) -> None:
        """Start an execution, unless there is one of this name."""
        with unavailable(f"execution {name} was not started"):
            try:
                self._client.start_execution(
                    stateMachineArn=self._arn, name=name, input=json.dumps(state)
                )
            except self._client.exceptions.ExecutionAlreadyExists:
                return

    def has_begun(self, name: str) -> bool:
        """Tell whether Step Functions knows an execution of this name."""
        return self._status(name) is not None

    def runs(self, name: str) -> bool:
        """Tell whether the execution is running."""
        return self._status(name) in _RUNNING

    def is_over(self, name: str) -> bool:
        """Tell whether the execution has ended; false if Step Functions does not know it (yet)."""
        return self._status(name) not in {None, *_RUNNING}

    def _status(self, name: str) -> str | None:
        with unavailable(f"execution {name} was not looked up"):
            try:
                answer = self._client.describe_execution(executionArn=self._execution(name))
            except self._client.exceptions.ExecutionDoesNotExist:
                return None
        return answer["status"]

    def stop(self, name: str, cause: str) -> None:
        with unavailable(f"execution {name} was not stopped"):
            self._client.stop_execution(
                executionArn=self._execution(name), error="RollbackAsked", cause=cause
            )

    def resume(self, token: str) -> bool:
        """End a wait. Tells whether it was still open."""
        errors = self._client.exceptions
        with unavailable("the wait was not ended"):
            try:
                self._client.send_task_success(taskToken=token, output="{}")
            except (errors.TaskTimedOut, errors.TaskDoesNotExist, errors.InvalidToken):
                return False
        return True

    def _execution(self, name: str) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
