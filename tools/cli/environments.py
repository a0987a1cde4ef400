"""Where a command acts: one of the five environments, found by its stack's outputs."""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from tools.samconfig import ROOT, deployment

_LOCAL: Final = ROOT / ".local" / "stack.json"


class Name(StrEnum):
    LOCAL = "local"
    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


class NotReachable(typer.Exit):
    """The environment cannot be reached; the reason was printed."""


@dataclass(frozen=True)
class Environment:
    """A deployed stack: its outputs, and clients for the account it lies in."""

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


def find(name: Name) -> Environment:
    """Look the stack up. Prints what is wrong and raises NotReachable if there is none."""
    if name is Name.LOCAL:
        return _find_local()
    deployed = deployment(name)
    stack, region = deployed.stack_name, deployed.region
    try:
        cloudformation = _session(name).client("cloudformation", region_name=region)
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (ClientError, BotoCoreError) as error:
        typer.echo(f"Cannot read stack {stack} in {region}: {error}", err=True)
        typer.echo(
            f"Deploy it (make deploy ENV={name}), or use credentials that may read it.", err=True
        )
        raise NotReachable(1) from None
    outputs = {out["OutputKey"]: out["OutputValue"] for out in found.get("Outputs", [])}
    return Environment(name, region, outputs)


def _find_local() -> Environment:
    if not _LOCAL.exists():
        typer.echo("The local stack is not up. Start it with: make up", err=True)
        raise NotReachable(1)
    stack = json.loads(_LOCAL.read_text())
    outputs = {"SigningSecretsArn": stack["signing_secrets_arn"]}
    return Environment(Name.LOCAL, stack["region"], outputs, stack["endpoint_url"])


def _session(name: Name) -> boto3.Session:
    if name is Name.LOCAL:
        # never the person's own credentials: the emulator takes any
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106
    return boto3.Session(profile_name=os.environ.get("AWS_PROFILE"))


def confirm(name: Name, question: str, yes: bool) -> None:
    """Ask before something that is hard to undo; in prod the environment's name is the answer.

    Raises typer.Abort when the person declines.
    """
    if yes:
        return
    if name is Name.PROD:
        typed = typer.prompt(f"{question} Type 'prod' to go on", err=True)
        if typed.strip() != Name.PROD:
            raise typer.Abort
    else:
        typer.confirm(question, abort=True, err=True)
