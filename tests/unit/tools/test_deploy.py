"""`make deploy` repeats a first deployment that failed, and protects one that succeeded."""

import json

import pytest
from botocore.exceptions import ClientError

from tools.deploy import STACK_POLICY, Deploy, DeployError
from tools.samconfig import Deployment
from tools.template import RESOURCES

KEPT = "RetainExceptOnCreate"


class CloudFormation:
    """A CloudFormation with one stack: its status and the parameters it was deployed with."""

    def __init__(self, status=None, **parameters):
        self.status, self.parameters, self.deleted = status, parameters, 0
        self.policy, self.terminable = None, True

    def describe_stacks(self, StackName):  # noqa: N803
        if self.status is None:
            error = {
                "Code": "ValidationError",
                "Message": f"Stack with id {StackName} does not exist",
            }
            raise ClientError({"Error": error}, "DescribeStacks")
        parameters = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in self.parameters.items()
        ]
        return {"Stacks": [{"StackStatus": self.status, "Parameters": parameters}]}

    def delete_stack(self, StackName):  # noqa: N803
        self.status = None
        self.deleted += 1

    def set_stack_policy(self, StackName, StackPolicyBody):  # noqa: N803
        assert self.status.endswith("_COMPLETE")
        self.policy = json.loads(StackPolicyBody)

    def update_termination_protection(self, StackName, EnableTerminationProtection):  # noqa: N803
        self.terminable = not EnableTerminationProtection

    def get_waiter(self, _name):
        return self

    def wait(self, StackName):  # noqa: N803
        assert self.status is None


class ApiGateway:
    def __init__(self, role="arn:role"):
        self.account = {"cloudwatchRoleArn": role} if role else {}

    def get_account(self):
        return self.account


class Sam:
    """`sam deploy`, whose deployments end in these states, one after the other."""

    def __init__(self, cloudformation, *ends):
        self.cloudformation, self.ends, self.runs = cloudformation, list(ends), []

    def __call__(self, words, *, confirm):
        overrides = {
            name: value.strip('"') for name, value in (word.split("=", 1) for word in words)
        }
        self.runs.append((overrides, confirm))
        if not self.ends:
            return
        self.cloudformation.status = self.ends.pop(0)
        if self.cloudformation.status.startswith("ROLLBACK"):
            raise DeployError("sam deploy ended with exit code 1.")
        self.cloudformation.parameters = overrides


def deploy(cloudformation, *ends, role="arn:role", show=False, **overrides):
    sam = Sam(cloudformation, *ends)
    deployed = Deployment("eu-west-2", "hub", {"Environment": "dev"} | overrides)
    act = Deploy(deployed, cloudformation, ApiGateway(role), sam, show, say=lambda _text: None)
    return act, sam


def protections(sam):
    return [overrides["DeletionProtection"] for overrides, _ in sam.runs]


def test_a_new_stack_is_protected_once_it_exists():
    act, sam = deploy(CloudFormation(), "CREATE_COMPLETE", "UPDATE_COMPLETE")
    act()
    assert protections(sam) == ["false", "true"]
    assert [confirm for _, confirm in sam.runs] == [True, False]
    assert all(overrides["Environment"] == "dev" for overrides, _ in sam.runs)


def test_a_failed_first_deployment_is_repeated_from_nothing():
    cloudformation = CloudFormation()
    act, sam = deploy(cloudformation, "ROLLBACK_COMPLETE", "CREATE_COMPLETE", "UPDATE_COMPLETE")
    with pytest.raises(DeployError):
        act()
    act()
    assert cloudformation.deleted == 1
    assert protections(sam) == ["false", "false", "true"]


def test_a_stack_that_exists_stays_protected():
    act, sam = deploy(CloudFormation("UPDATE_ROLLBACK_COMPLETE"), "UPDATE_COMPLETE")
    act()
    assert protections(sam) == ["true"]


def test_a_refused_change_set_ends_it():
    act, sam = deploy(CloudFormation(), "REVIEW_IN_PROGRESS")
    act()
    assert protections(sam) == ["false"]
    act()  # the stack without resources that CloudFormation keeps is no stack yet
    assert protections(sam) == ["false", "false"]


def test_who_removes_a_stack_can_take_the_protection_away():
    act, sam = deploy(
        CloudFormation("UPDATE_COMPLETE"), "UPDATE_COMPLETE", DeletionProtection="false"
    )
    act()
    assert protections(sam) == ["false"]


@pytest.mark.parametrize(
    ("environment", "guarded"), [("dev", False), ("test", False), ("staging", True), ("prod", True)]
)
@pytest.mark.parametrize("status", [None, "UPDATE_COMPLETE"])
def test_staging_and_prod_keep_their_stack_and_their_data(environment, guarded, status):
    cloudformation = CloudFormation(status)
    act, _ = deploy(cloudformation, "CREATE_COMPLETE", "UPDATE_COMPLETE", Environment=environment)
    act()
    assert cloudformation.terminable is not guarded
    assert (cloudformation.policy is not None) is guarded


def test_the_stack_policy_names_everything_that_holds_data():
    allowed, denied = STACK_POLICY["Statement"]
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "Update:*")
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    kept = {name for name, body in RESOURCES.items() if body.get("DeletionPolicy") == KEPT}
    named = {resource.removeprefix("LogicalResourceId/") for resource in denied["Resource"]}
    assert named == kept - {"ControlApiLogs"}  # logs are no data of the hub


@pytest.mark.parametrize(("status", "protection"), [(None, "false"), ("CREATE_COMPLETE", "true")])
def test_a_look_at_the_change_set_changes_nothing(status, protection):
    cloudformation = CloudFormation(status)
    act, sam = deploy(cloudformation, show=True, Environment="prod")
    act()
    assert protections(sam) == [protection]
    assert cloudformation.policy is None


def test_a_refused_change_set_guards_nothing():
    cloudformation = CloudFormation()
    act, _ = deploy(cloudformation, "REVIEW_IN_PROGRESS", Environment="prod")
    act()
    assert cloudformation.policy is None


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED"])
def test_a_half_created_stack_needs_a_person(status):
    act, sam = deploy(CloudFormation(status))
    with pytest.raises(DeployError, match=r"docs/deploy\.md"):
        act()
    assert sam.runs == []


@pytest.mark.parametrize(
    ("role", "before", "overrides", "expected"),
    [
        (None, {}, {}, "create"),
        ("arn:role", {}, {}, "existing"),
        ("arn:role", {"ApiGatewayAccountRole": "create"}, {}, "create"),  # its own: kept
        ("arn:role", {}, {"ApiGatewayAccountRole": "create"}, "create"),
    ],
    ids=["none", "another stack's", "its own", "said"],
)
def test_the_accounts_role_for_access_logs_is_looked_up(role, before, overrides, expected):
    stack = CloudFormation("UPDATE_COMPLETE", **before)
    act, sam = deploy(stack, "UPDATE_COMPLETE", role=role, **overrides)
    act()
    assert sam.runs[0][0]["ApiGatewayAccountRole"] == expected


def test_a_role_that_is_said_to_exist_and_does_not_is_named():
    act, sam = deploy(CloudFormation(), role=None, ApiGatewayAccountRole="existing")
    with pytest.raises(DeployError, match="remove ApiGatewayAccountRole=existing"):
        act()
    assert sam.runs == []
