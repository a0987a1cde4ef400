"""The AWS emulator: starts it, makes clients for it, and deploys the real template to it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import boto3
import httpx
from botocore.config import Config
from botocore.credentials import Credentials

from tools.build import build_dir, fingerprint_of
from tools.local.processes import Process, StepFailed, free_port
from tools.samconfig import CONFIG, ROOT, deployment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

LOCAL: Final = deployment("local")
REGION: Final = LOCAL.region
STACK_NAME: Final = LOCAL.stack_name
_START_SECONDS: Final = 30.0


class Emulator:
    """MiniStack with IAM enforced; its files and its log are below `state`."""

    def __init__(self, state: Path, port: int = 0) -> None:
        self.state = state
        self.process = Process("emulator", state, "tools.local.ministack")
        self._port = port
        self._port_file = state / "emulator.port"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port_file.read_text()}"

    def start(self) -> bool:
        """Start the emulator unless this version runs already. Return True if it started.

        Raises StepFailed.
        """
        code, stamp = fingerprint_of("tools/local/ministack.py"), self.state / "emulator.code"
        at_port = not self._port or _text(self._port_file) == str(self._port)
        current = at_port and _text(stamp) == code
        # wait long, because a restart loses all data and a busy machine answers late
        if current and self.process.pid() and self._healthy(_START_SECONDS):
            return False
        self.stop()
        self.state.mkdir(parents=True, exist_ok=True)
        stamp.write_text(code)
        try:
            self._start_at(self._port or free_port())
        except StepFailed:
            if self._port:
                raise
            self._start_at(free_port())  # another process may have taken the first port
        return True

    def _start_at(self, port: int) -> None:
        self._port_file.write_text(str(port))
        command = [sys.executable, "-m", "tools.local.ministack"]
        self.process.start(command, self._env(), ROOT)
        self.process.wait_until(lambda: self._healthy() or None, _START_SECONDS)

    def stop(self) -> bool:
        """Stop the emulator, delete its copies of the functions, and tell whether it ran."""
        was_running = self.process.stop()
        shutil.rmtree(self.state / "tmp", ignore_errors=True)
        return was_running

    def _env(self) -> dict[str, str]:
        temporary = self.state / "tmp"
        temporary.mkdir(exist_ok=True)
        # No other variables: the functions inherit the emulator's environment.
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "AUTH": "true",
            "GATEWAY_PORT": self._port_file.read_text(),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "AWS_DEFAULT_REGION": REGION,
        }

    def _healthy(self, seconds: float = 2) -> bool:
        try:
            return httpx.get(f"{self.url}/_ministack/health", timeout=seconds).is_success
        except (httpx.HTTPError, OSError):
            return False

    @overload
    def client(self, service: Literal["cloudformation"]) -> "CloudFormationClient": ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["logs"]) -> "CloudWatchLogsClient": ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
    @overload
    def client(self, service: str) -> Any: ...
    def client(self, service: str) -> Any:
        """Return a client with the root credentials of the local account."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # the emulator takes any credentials
            config=Config(retries={"total_max_attempts": 2}),
        )

    def credentials(self) -> Credentials:
        """Return the root credentials of the local account, for signing."""
        return Credentials("test", "test")

    def deploy(
        self,
        log: Path,
        *,
        stack_name: str = STACK_NAME,
        template: Path | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Deploy the built template with SAM and return the stack's outputs. Raises StepFailed."""
        words = LOCAL.override_words(**(overrides or {}))
        command = ["sam", "deploy", "--config-file", str(CONFIG)]
        command += ["--config-env", "local", "--no-progressbar"]
        command += ["--template-file", str(template or build_dir("local") / "template.yaml")]
        command += ["--stack-name", stack_name, "--parameter-overrides", *words]
        with log.open("w") as output:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=self.cli_env(),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise StepFailed(f"sam deploy ended with exit code {done.returncode}", log)
        return self.outputs(stack_name)

    @contextmanager
    def denied(self, function_name: str, action: str) -> Iterator[None]:
        """Deny a deployed function one permission inside the block, and drop its warm state."""
        iam, functions = self.client("iam"), self.client("lambda")
        function = functions.get_function_configuration(FunctionName=function_name)
        role = function["Role"].rpartition("/")[2]
        statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        memory = function["MemorySize"]
        iam.put_role_policy(RoleName=role, PolicyName="outage", PolicyDocument=document)
        try:
            # another memory size starts new environments with empty caches
            self._set_memory(function_name, memory + 1)
            yield
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="outage")
            self._set_memory(function_name, memory)

    def _set_memory(self, function_name: str, megabytes: int) -> None:
        """Change a function, and let its aliases follow."""
        functions = self.client("lambda")
        functions.update_function_configuration(FunctionName=function_name, MemorySize=megabytes)
        for alias in functions.list_aliases(FunctionName=function_name)["Aliases"]:
            version = functions.publish_version(FunctionName=function_name)["Version"]
            functions.update_alias(
                FunctionName=function_name, Name=alias["Name"], FunctionVersion=version
            )

    def outputs(self, stack_name: str = STACK_NAME) -> dict[str, str]:
        """Return the deployed stack's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        return {out["OutputKey"]: out["OutputValue"] for out in stack.get("Outputs", [])}

    def cli_env(self) -> dict[str, str]:
        """Return environment variables with which sam and aws reach only this emulator."""
        nowhere = str(self.state / "no-aws-config")
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.state / "tmp"),
            "LANG": "C.UTF-8",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        }


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
