"""The first deployment: one that fails half-way is repeated, and prod needs its parameters."""

import json

import pytest
from botocore.exceptions import ClientError, WaiterError

from tools.deploy import STACK_POLICY, Deploy, DeployError
from tools.local.emulator import REGION, Emulator
from tools.samconfig import Deployment
from tools.template import RESOURCES, TEMPLATE

STACK = "codat-hub-first"
TABLES = [name for name, body in RESOURCES.items() if body["Type"] == "AWS::DynamoDB::Table"]
CANNOT_BE_CREATED = {
    "Type": "AWS::Lambda::Url",
    "DependsOn": TABLES,
    "Properties": {"TargetFunctionArn": "no-such-function", "AuthType": "AWS_IAM"},
}


def template(broken=False):
    """Return the template's tables and what they need, with a resource that fails after them."""
    used = ("Environment", "ApiGatewayAccountRole", "DeletionProtection", "KmsKeyArn")
    used += ("AlarmTopicArn", "CodatClientId", "WebhookDomain", "WebhookCertificateArn")
    used += ("WebhookDefaultEndpoint", "VpcSubnetIds", "VpcSecurityGroupIds")
    resources = {name: RESOURCES[name] for name in TABLES}
    return json.dumps(
        {
            "Parameters": {name: TEMPLATE["Parameters"][name] for name in used},
            "Rules": TEMPLATE["Rules"],
            "Conditions": {
                name: TEMPLATE["Conditions"][name] for name in ("IsProtected", "HasKmsKey")
            },
            "Resources": resources | ({"Broken": CANNOT_BE_CREATED} if broken else {}),
        }
    )


class Sam:
    """`sam deploy` of these tables; it fails half-way as long as it is `broken`."""

    def __init__(self, cloudformation):
        self.cloudformation, self.broken, self.protections = cloudformation, True, []

    def __call__(self, words, *, confirm):
        overrides = dict(word.replace('"', "").split("=", 1) for word in words)
        self.protections.append((overrides["DeletionProtection"], confirm))
        kind = "create" if confirm else "update"
        getattr(self.cloudformation, f"{kind}_stack")(
            StackName=STACK,
            TemplateBody=template(self.broken),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value} for name, value in overrides.items()
            ],
        )
        try:
            waiter = self.cloudformation.get_waiter(f"stack_{kind}_complete")
            waiter.wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except WaiterError as error:
            raise DeployError(str(error)) from None


@pytest.fixture
def emulator(tmp_path):
    emulator = Emulator(tmp_path, 0)
    (tmp_path / "logs").mkdir()
    emulator.start()
    yield emulator
    emulator.process.stop()
    emulator.stop()


def test_a_first_deployment_that_fails_half_way_is_repeated_without_a_hand(emulator):
    cloudformation, dynamodb = emulator.client("cloudformation"), emulator.client("dynamodb")
    sam = Sam(cloudformation)
    deployed = Deployment(REGION, STACK, {"Environment": "staging"})
    deploy = Deploy(deployed, cloudformation, emulator.client("apigateway"), sam)

    with pytest.raises(DeployError):
        deploy()
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert dynamodb.list_tables()["TableNames"] == []

    sam.broken = False
    deploy()
    assert sam.protections == [("false", True), ("false", True), ("true", False)]
    tables = [
        dynamodb.describe_table(TableName=name)["Table"]
        for name in dynamodb.list_tables()["TableNames"]
    ]
    assert len(tables) == len(TABLES)
    assert all(table["DeletionProtectionEnabled"] for table in tables)
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    assert stack["EnableTerminationProtection"] is True
    kept = cloudformation.get_stack_policy(StackName=STACK)["StackPolicyBody"]
    assert json.loads(kept) == STACK_POLICY


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"CodatClientId": "0d1e2f3a-0000-4000-8000-000000000000"}, "AlarmTopicArn"),
        ({"AlarmTopicArn": "arn:aws:sns:eu-west-2:000000000000:alarms"}, "CodatClientId"),
    ],
)
def test_prod_is_refused_without_a_topic_and_a_client(emulator, given, missing):
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in ({"Environment": "prod"} | given).items()
    ]
    with pytest.raises(ClientError, match=f"Without {missing}"):
        emulator.client("cloudformation").create_stack(
            StackName=STACK, TemplateBody=template(), Parameters=parameters
        )
