"""`python -m tools.deploy ENV [--yes|--show]`: deploy a build, also after a failed first time.

The tables get their deletion protection in a second step, once the stack exists: CloudFormation
could not delete them when it rolls a failed creation back. A stack of staging and prod then gets
termination protection and a stack policy.
"""

from tools.starting import INTERRUPTED, importing

with importing():
    import argparse
    import json
    import os
    import subprocess
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any, Final

    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from tools.samconfig import ROOT, Deployment, deployment
    from tools.template import RESOURCES

ENVIRONMENTS: Final = ("dev", "test", "staging", "prod")
GUARDED: Final = ("staging", "prod")
_DATA: Final = ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket")
_ROLE: Final = "ApiGatewayAccountRole"
_PROTECTION: Final = "DeletionProtection"
_HALF_CREATED: Final = ("CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED")

# An update may change what holds data, and never replace or delete it.
STACK_POLICY: Final = {
    "Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": ["Update:Replace", "Update:Delete"],
            "Principal": "*",
            "Resource": [
                f"LogicalResourceId/{name}"
                for name, body in RESOURCES.items()
                if body["Type"] in _DATA
            ],
        },
    ]
}

type Sam = Callable[..., None]


class DeployError(Exception):
    """The deployment cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """A stack that CloudFormation knows, with the parameters of its last deployment."""

    status: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Deploy:
    """Deploy one environment.

    sam: `sam(words, confirm)` runs `sam deploy`; it raises DeployError
    show: only show the change set, and change nothing
    """

    deployed: Deployment
    cloudformation: Any
    apigateway: Any
    sam: Sam
    show: bool = False
    say: Callable[[str], None] = print

    def __call__(self) -> None:
        """Deploy once, and a second time after the first deployment. Raises DeployError."""
        stack = self._usable(self._stack())
        wanted = self.deployed.overrides.get(_PROTECTION, "true")
        role = self._account_role(stack)
        if self.show:
            self._sam(role, wanted if stack else "false")
            return
        if stack is not None:
            self._sam(role, wanted)
            self._guard()
            return
        self._sam(role, "false")
        if self._usable(self._stack()) is None:  # the person refused the change set
            return
        if wanted == "true":
            self.say("The first deployment succeeded. Next: protect the tables against deletion.")
            self._sam(role, "true", confirm=False)
        self._guard()

    def _guard(self) -> None:
        """Protect a stack of staging or prod against its deletion and against lost data."""
        if self.deployed.overrides.get("Environment") not in GUARDED:
            return
        name = self.deployed.stack_name
        self.cloudformation.set_stack_policy(
            StackName=name, StackPolicyBody=json.dumps(STACK_POLICY)
        )
        self.cloudformation.update_termination_protection(
            StackName=name, EnableTerminationProtection=True
        )
        self.say(f"{name} has termination protection, and a policy that keeps its data.")

    def _sam(self, role: str, protection: str, *, confirm: bool = True) -> None:
        words = self.deployed.override_words(**{_ROLE: role, _PROTECTION: protection})
        self.sam(words, confirm=confirm)

    def _stack(self) -> Stack | None:
        try:
            (found,) = self.cloudformation.describe_stacks(StackName=self.deployed.stack_name)[
                "Stacks"
            ]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        parameters = {
            parameter["ParameterKey"]: parameter.get("ParameterValue", "")
            for parameter in found.get("Parameters", [])
        }
        return Stack(found["StackStatus"], parameters)

    def _usable(self, stack: Stack | None) -> Stack | None:
        """Return the stack that an update can start from; None: it has to be created."""
        if stack is None or stack.status in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
            return None
        name = self.deployed.stack_name
        if stack.status in _HALF_CREATED:
            raise DeployError(
                f"Stack {name} is in {stack.status}: some of its resources are left."
                " Next: docs/deploy.md, A stack that is half created."
            )
        if stack.status != "ROLLBACK_COMPLETE":
            return stack
        self.say(f"The first deployment of {name} failed and was rolled back. It starts again.")
        self.cloudformation.delete_stack(StackName=name)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
        return None

    def _account_role(self, stack: Stack | None) -> str:
        """Return whether this stack creates the role with which API Gateway writes access logs.

        AWS has one such role for each account and region. A stack that created it keeps it.
        """
        said = self.deployed.overrides.get(_ROLE)
        if said == "create" or (stack and stack.parameters.get(_ROLE) == "create"):
            return "create"
        if self.apigateway.get_account().get("cloudwatchRoleArn"):
            return "existing"
        if said == "existing":
            raise DeployError(
                "API Gateway has no role for access logs in this account and region."
                f" Next: remove {_ROLE}=existing from samconfig.toml; this stack then creates it."
            )
        return "create"


def _run_sam(environment: str, *, ask: bool, show: bool) -> Sam:
    def sam(words: list[str], *, confirm: bool) -> None:
        command = ["sam", "deploy", "--config-env", environment, "--parameter-overrides", *words]
        command += [] if confirm and ask else ["--no-confirm-changeset"]
        command += ["--no-execute-changeset"] if show else []
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            raise DeployError(f"sam deploy ended with exit code {done.returncode}.")

    return sam


def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.deploy")
    parser.add_argument("environment", choices=ENVIRONMENTS)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="deploy without a question")
    how.add_argument("--show", action="store_true", help="only show the change set")
    given = parser.parse_args()
    deployed = deployment(given.environment)
    try:
        session = boto3.Session(profile_name=os.environ.get("AWS_PROFILE"))
        Deploy(
            deployed,
            session.client("cloudformation", region_name=deployed.region),
            session.client("apigateway", region_name=deployed.region),
            _run_sam(given.environment, ask=not given.yes, show=given.show),
            show=given.show,
        )()
    except (DeployError, ClientError, BotoCoreError) as error:
        raise SystemExit(f"Not deployed: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
