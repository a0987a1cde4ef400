"""The five environments that a command can act on, each found by the outputs of its stack."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError

from tools.cli.api import ControlApi, connected
from tools.cli.failures import Failure
from tools.samconfig import ROOT, deployment

LOCAL: Final = ROOT / ".local" / "stack.json"
TRANSPORT: Final[httpx.BaseTransport | None] = None  # tests put a fake API here


class Name(StrEnum):
    LOCAL = "local"
    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True)
class Environment:
    """A deployed stack: its outputs, and AWS clients for its account."""

    name: Name
    region: str
    outputs: dict[str, str]
    endpoint_url: str | None = None

    def client(self, service: str) -> Any:
        return _session(self.name).client(
            service,  # type: ignore[call-overload]  # a name, not a literal
            region_name=self.region,
            endpoint_url=self.endpoint_url,
        )

    def output(self, key: str) -> str:
        """Return one output of the stack. Raises Failure if an old stack does not have it."""
        if key not in self.outputs:
            deploy = "make up" if self.name is Name.LOCAL else f"make deploy ENV={self.name}"
            raise Failure(
                f"The stack of {self.name} has no output {key}.",
                f"Deploy the current version: {deploy}",
            )
        return self.outputs[key]


def find(name: Name) -> Environment:
    """Find the stack. Raises Failure if it does not exist or cannot be read."""
    if name is Name.LOCAL:
        return _find_local()
    deployed = deployment(name)
    stack, region = deployed.stack_name, deployed.region
    try:
        cloudformation = _session(name).client("cloudformation", region_name=region)
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (ClientError, BotoCoreError) as error:
        raise Failure(
            f"Cannot read stack {stack} in {region}: {error}",
            f"Deploy it: make deploy ENV={name}. Or use credentials that may read it.",
        ) from None
    outputs = {out["OutputKey"]: out["OutputValue"] for out in described.get("Outputs", [])}
    return Environment(name, region, outputs)


@contextmanager
def control_api(name: Name) -> Iterator[ControlApi]:
    """Open the control API of an environment; the person's own AWS identity signs requests."""
    environment = find(name)
    session = _session(name)
    credentials = session.get_credentials()
    if credentials is None:
        raise Failure(
            "No AWS credentials were found to sign the request with.",
            "Log in (aws sso login), or set AWS_PROFILE to a profile that may call the hub.",
        )
    identity = f"AWS profile {session.profile_name}" if name is not Name.LOCAL else "the local root"
    url = environment.output("ControlApiUrl")
    with connected(url, credentials, environment.region, identity, TRANSPORT) as api:
        yield api


def _find_local() -> Environment:
    if not LOCAL.exists():
        raise Failure("The local stack is not up.", "Start it with: make up")
    try:
        stack = json.loads(LOCAL.read_text())
        outputs = {
            "ControlApiUrl": stack["api_url"],
            "SigningSecretsArn": stack["signing_secrets_arn"],
            "CodatApiKeyArn": stack["codat_api_key_arn"],
        }
        return Environment(Name.LOCAL, stack["region"], outputs, stack["endpoint_url"])
    except (ValueError, KeyError, TypeError):  # another version wrote it, or it is incomplete
        raise Failure(f"{LOCAL} does not describe the stack.", "Write it again: make up") from None


def _session(name: Name) -> boto3.Session:
    if name is Name.LOCAL:
        # the emulator takes any credentials, so the person's own are never used
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
    return boto3.Session(profile_name=os.environ.get("AWS_PROFILE"))
