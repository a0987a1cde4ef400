"""`make preflight` on the local stack: each check fails once, and its advice makes it pass."""

import json
from dataclasses import replace

import boto3
import pytest

from tests.support.aws_commands import follow
from tests.support.system.control_api import as_role
from tools.local.emulator import REGION, Emulator
from tools.preflight import __main__ as command
from tools.preflight import account_checks, stack_checks, target
from tools.preflight.check import State
from tools.preflight.target import Target
from tools.samconfig import Deployment

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    state = tmp_path_factory.mktemp("preflight")
    emulator = Emulator(state, 0)
    (state / "logs").mkdir()
    emulator.start()
    yield emulator
    emulator.process.stop()
    emulator.stop()


@pytest.fixture
def of(emulator):
    """Return a function that makes the target of a stack with these parameters."""

    def made(name="codat-hub-new", session=None, **overrides):
        deployed = Deployment(REGION, name, {"Environment": "dev"} | overrides)
        session = session or boto3.Session("test", "test")
        return Target("dev", deployed, session, emulator.url).with_stack(ACCOUNT)

    return made


def states(checks):
    return {check.state for check in checks}


def test_the_local_stack_passes_but_for_the_migration_that_it_is_there_for(
    hub, monkeypatch, capsys
):
    monkeypatch.setattr(target, "LOCAL", hub.stack.description)
    code = command.main(["local", "--json"])
    shown = json.loads(capsys.readouterr().out)
    failed = {check["name"] for check in shown["checks"] if check["state"] == "failed"}
    assert failed <= {"sync settings", "webhook consumers"}  # other tests migrate this client
    assert (code, shown["passed"]) == (1 if failed else 0, not failed)
    assert {"credentials", "Codat client", "Codat's quota"} <= {
        check["name"] for check in shown["checks"]
    }
    assert command.main(["local", "--deploying"]) == 0  # Codat's side stops no deployment
    assert "✓ credentials" in capsys.readouterr().out


def test_credentials_that_do_not_work_are_the_only_row(emulator):
    session = boto3.Session("AKIANOTKNOWN", "secret")
    deployed = Deployment(REGION, "codat-hub-new", {"Environment": "dev"})
    of_aws, of_codat = command.preflight(Target("dev", deployed, session, emulator.url))
    assert [(check.name, check.state) for check in of_aws] == [("credentials", State.FAILED)]
    assert "AWS_PROFILE" in of_aws[0].next
    assert of_codat == []


class TestNames:
    STACK = "codat-hub-again"

    @pytest.fixture
    def left_over(self, emulator):
        """Leave what an earlier stack of this name would leave."""
        name, client = self.STACK, emulator.client
        client("dynamodb").create_table(
            TableName=f"{name}-state",
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        client("secretsmanager").create_secret(Name=f"{name}/codat-api-key", SecretString="x")
        client("secretsmanager").delete_secret(SecretId=f"{name}/codat-api-key")
        client("s3").create_bucket(
            Bucket=f"{name}-migrations-{ACCOUNT}-{REGION}",
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        client("sqs").create_queue(QueueName=f"{name}-refreshes")
        client("events").create_event_bus(Name=f"{name}-products")
        client("scheduler").create_schedule_group(Name=f"{name}-refreshes")
        client("logs").create_log_group(logGroupName=f"/aws/apigateway/{name}-control")

    @pytest.mark.usefixtures("left_over")
    def test_each_name_that_an_earlier_stack_left_is_free_after_its_command(self, emulator, of):
        again = of(self.STACK)
        taken = stack_checks.names(again)
        assert states(taken) == {State.FAILED}
        assert len(taken) == 7
        for check in taken:
            follow(check.next, emulator.client)
        (check,) = stack_checks.names(again)
        assert (check.state, check.found.endswith("names are free")) == (State.PASSED, True)

    def test_a_stack_that_exists_has_its_names_itself(self, of):
        existing = replace(of(self.STACK), stack={"StackStatus": "UPDATE_COMPLETE"})
        assert states(stack_checks.names(existing)) == {State.PASSED}


@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "UPDATE_IN_PROGRESS"])
def test_a_stack_that_cannot_be_deployed_now_is_named(of, status):
    (check,) = stack_checks.state(replace(of(), stack={"StackStatus": status}))
    assert check.state is State.FAILED
    assert status in check.found
    after = {"ROLLBACK_FAILED": None, "UPDATE_IN_PROGRESS": {"StackStatus": "UPDATE_COMPLETE"}}
    assert states(stack_checks.state(replace(of(), stack=after[status]))) == {State.PASSED}


def test_the_logging_role_is_missing_only_if_the_stack_may_not_create_it(of):
    (check,) = account_checks.access_log_role(of(ApiGatewayAccountRole="existing"))
    assert check.state is State.FAILED
    assert check.next.startswith("Remove ApiGatewayAccountRole=existing")
    assert states(account_checks.access_log_role(of())) == {State.PASSED}


def test_a_role_that_may_not_deploy_may_after_it_got_the_named_actions(hub, emulator, of):
    name = "deployer"
    iam, sts = emulator.client("iam"), emulator.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]

    def allow(*actions):
        granted = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [granted]})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)

    allow("iam:SimulatePrincipalPolicy", "cloudformation:DescribeStacks")
    keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="ann")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    (check,) = account_checks.may_deploy(of(session=session))
    assert check.state is State.FAILED
    denied = check.found.partition("may not: ")[2].split(", ")
    assert "dynamodb:CreateTable" in denied
    assert "cloudformation:DescribeStacks" not in denied
    allow("iam:SimulatePrincipalPolicy", "cloudformation:DescribeStacks", *denied)
    assert states(account_checks.may_deploy(of(session=session))) == {State.PASSED}


def test_what_a_role_may_not_look_up_stays_open(hub, of):
    keys = as_role(hub, "nobody", hub.described["control_api_reader"])
    session = boto3.Session(keys.access_key, keys.secret_key, keys.token)
    deployed = Deployment(REGION, "codat-hub-new", {"Environment": "dev"})
    seen = Target("dev", deployed, session, hub.described["endpoint_url"], account=ACCOUNT)
    (check,) = command.guarded("quotas", lambda: account_checks.room(seen))
    assert (check.state, check.found[:17]) == (State.UNKNOWN, "your role may not")


class TestReferences:
    @pytest.fixture(scope="class")
    def present(self, emulator):
        """Create one of each thing that a parameter may name, and return the parameters."""
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        policy = emulator.client("iam").create_policy(
            PolicyName="boundary", PolicyDocument=document
        )["Policy"]["Arn"]
        key = emulator.client("kms").create_key()["KeyMetadata"]["Arn"]
        topic = emulator.client("sns").create_topic(Name="alarms")["TopicArn"]
        ec2 = emulator.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="hub", Description="hub", VpcId=vpc)
        certificate = emulator.client("acm").request_certificate(DomainName="hooks.example.com")
        return {
            "PermissionsBoundaryArn": policy,
            "KmsKeyArn": key,
            "AlarmTopicArn": topic,
            "VpcSubnetIds": subnet,
            "VpcSecurityGroupIds": group["GroupId"],
            "WebhookCertificateArn": certificate["CertificateArn"],
        }

    def test_each_is_missing_until_the_parameter_is_corrected(self, of, present):
        absent = {name: f"{arn[:-4]}dead" for name, arn in present.items()}
        missing = stack_checks.references(of(**absent))
        assert {check.name for check in missing} == set(present)
        assert states(missing) == {State.FAILED}
        for check in missing:
            assert check.next.startswith(f"Correct {check.name} in samconfig.toml")
        assert states(stack_checks.references(of(**present))) == {State.PASSED}

    def test_a_key_that_is_switched_off_is_not_ready(self, emulator, of, present):
        emulator.client("kms").disable_key(KeyId=present["KmsKeyArn"])
        (check,) = stack_checks.references(of(KmsKeyArn=present["KmsKeyArn"]))
        assert (check.state, check.found.endswith("not ready")) == (State.FAILED, True)
