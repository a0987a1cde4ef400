"""The environment that a preflight looks at: its parameters, and clients for its account."""

import json
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tools.samconfig import ROOT, Deployment, deployment
from tools.template import TEMPLATE

LOCAL: Final = ROOT / ".local" / "stack.json"
_QUICK: Final = Config(connect_timeout=3, read_timeout=6, retries={"total_max_attempts": 2})


@dataclass(frozen=True)
class Target:
    """What a preflight looks at.

    stack: CloudFormation's description, None if there is no such stack
    codat_key: a Codat API key given by the person, for a stack that has none yet
    """

    environment: str
    deployed: Deployment
    session: boto3.Session
    endpoint_url: str | None = None
    codat_key: str | None = None
    account: str = ""
    stack: dict[str, Any] | None = field(default=None, compare=False)

    def client(self, service: str) -> Any:
        return self.session.client(
            service,  # type: ignore[call-overload]  # a name, not a literal
            region_name=self.deployed.region,
            endpoint_url=self.endpoint_url,
            config=_QUICK,
        )

    @property
    def name(self) -> str:
        return self.deployed.stack_name

    @property
    def region(self) -> str:
        return self.deployed.region

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Return the value of each of the template's parameters after the next deployment."""
        defaults = {
            name: str(parameter.get("Default", ""))
            for name, parameter in TEMPLATE["Parameters"].items()
        }
        return defaults | self.deployed.overrides

    @property
    def outputs(self) -> dict[str, str]:
        listed = (self.stack or {}).get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in listed}

    def with_stack(self, account: str) -> "Target":
        """Return the target with its account and its stack. Raises ClientError."""
        stack = find_stack(self.client("cloudformation"), self.name)
        return replace(self, account=account, stack=stack)


def find_stack(cloudformation: Any, name: str) -> dict[str, Any] | None:
    """Return CloudFormation's description of a stack; None if there is none, or an empty one."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise
    empty = found["StackStatus"] in {"REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}
    return None if empty else dict(found)


def target_of(environment: str) -> Target:
    """Return the target of an environment. Raises FileNotFoundError if the local stack is down."""
    key = os.environ.get("CODAT_API_KEY")
    deployed = deployment(environment)
    if environment != "local":
        session = boto3.Session(profile_name=os.environ.get("AWS_PROFILE"))
        return Target(environment, deployed, session, codat_key=key)
    described = json.loads(LOCAL.read_text())
    session = boto3.Session("test", "test")  # the emulator takes any credentials
    target = Target(environment, deployed, session, described["endpoint_url"], key)
    stack = find_stack(target.client("cloudformation"), deployed.stack_name) or {}
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
    # `make up` adds what only it knows, such as the sandbox's address
    added = {name: given[name] for name in ("CodatBaseUrl", "CodatClientId") if name in given}
    return replace(target, deployed=replace(deployed, overrides=added | deployed.overrides))
