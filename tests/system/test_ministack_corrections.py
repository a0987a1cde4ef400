"""Each correction in tools/local/ministack.py has a smoke test that fails without it."""

import io
import json
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import httpx
import pytest

from tests.support.waiting import eventually
from tools.local.emulator import REGION

ACCOUNT = "000000000000"
ASSUME = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def aws(local_stack):
    """Return a function that makes the emulator's clients by service name."""
    return local_stack.emulator.client


@pytest.fixture(scope="module")
def role(aws):
    principal = {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}
    trust = {**ASSUME, "Statement": [{**ASSUME["Statement"][0], "Principal": principal}]}
    made = aws("iam").create_role(RoleName="smoke", AssumeRolePolicyDocument=json.dumps(trust))
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    aws("iam").put_role_policy(
        RoleName="smoke",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    return made["Role"]["Arn"]


@pytest.fixture
def queue(aws):
    url = aws("sqs").create_queue(QueueName=f"smoke-{uuid4()}")["QueueUrl"]
    attributes = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])

    def received():
        answer = aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    received.arn = attributes["Attributes"]["QueueArn"]
    return received


@pytest.fixture
def function(aws, role):
    def create(code):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", textwrap.dedent(code))
        name = f"smoke-{uuid4()}"
        aws("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": packed.getvalue()},
            Timeout=20,
        )
        return name

    return create


def test_schedules_fire_within_seconds_with_their_attributes_filled_in(aws, role, queue):
    attributes = {"at": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"}
    # two in a row: the emulator's own sweep would come every ten seconds
    for name in ("smoke-1", "smoke-2"):
        aws("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=f"at({datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": queue.arn, "RoleArn": role, "Input": json.dumps(attributes)},
        )
        (message,) = eventually(queue, seconds=9)
        assert datetime.fromisoformat(message["at"])
        assert message["by"].endswith(f":schedule/default/{name}")


def test_a_raised_exception_keeps_its_class_name(aws, function):
    name = function(
        """
        class TryLater(Exception):
            pass

        def handler(event, context):
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise TryLater("busy: try again") from error
        """
    )
    answer = aws("lambda").invoke(FunctionName=name)
    assert json.load(answer["Payload"])["errorType"] == "TryLater"


def test_a_burst_shares_a_few_processes(aws, function):
    name = function("import os\ndef handler(event, context):\n    return os.getpid()")

    def pid(_):
        return json.load(aws("lambda").invoke(FunctionName=name)["Payload"])

    with ThreadPoolExecutor(24) as pool:
        pids = set(pool.map(pid, range(48)))
    assert 1 <= len(pids) <= 4


def test_a_schedules_own_group_counts_in_iam(aws, local_stack):
    aws("scheduler").create_schedule_group(Name="ours")
    allowed = {
        "Effect": "Allow",
        "Action": "scheduler:GetSchedule",
        "Resource": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/ours/*",
    }
    iam = aws("iam")
    iam.create_user(UserName="reader")
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = boto3.client(
        "scheduler",
        endpoint_url=local_stack.emulator.url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(reader.exceptions.ResourceNotFoundException):
        reader.get_schedule(GroupName="ours", Name="none")
    with pytest.raises(reader.exceptions.ClientError, match="AccessDenied"):
        reader.get_schedule(GroupName="default", Name="none")


def test_sending_a_batch_needs_the_right_to_send_and_no_other(aws, queue, local_stack):
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue.arn}
    iam, name = aws("iam"), f"sender-{uuid4()}"
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sender = boto3.client(
        "sqs",
        endpoint_url=local_stack.emulator.url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    url = aws("sqs").get_queue_url(QueueName=queue.arn.rpartition(":")[2])["QueueUrl"]
    entries = [{"Id": "1", "MessageBody": "{}"}]
    assert sender.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]
    with pytest.raises(sender.exceptions.ClientError, match="AccessDenied"):
        sender.receive_message(QueueUrl=url)


SAM_API = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Allowed: { Type: String, Default: 192.0.2.1/32 }
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return {"statusCode": 200, "body": str(event["isBase64Encoded"]) + event["body"]}
      Events:
        Call: { Type: Api, Properties: { RestApiId: !Ref Api, Method: POST, Path: /echo } }
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: s
      BinaryMediaTypes: ["*/*"]
      GatewayResponses:
        DEFAULT_4XX: { ResponseTemplates: { application/json: '{"fixed":true}' } }
      Auth:
        ResourcePolicy:
          CustomStatements:
            - Effect: Allow
              Principal: "*"
              Action: execute-api:Invoke
              Resource: execute-api:/*/POST/echo
              Condition: { IpAddress: { aws:SourceIp: !Split [",", !Ref Allowed] } }
Outputs:
  Id: { Value: !Ref Api }
"""


def create_stack(aws, name, template, **parameters):
    """Create a stack through a change set, as `sam deploy` does; return its outputs."""
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )

    def finished():
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return stack if not stack["StackStatus"].endswith("_IN_PROGRESS") else None

    stack = eventually(finished)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


@pytest.fixture(scope="module")
def sam_api(aws, local_stack):
    def deploy(name, allowed):
        outputs = create_stack(aws, name, SAM_API, Allowed=allowed)
        return f"{local_stack.emulator.url}/_aws/execute-api/{outputs['Id']}/s/echo"

    return {
        "open": deploy("smoke-open", "127.0.0.1/32"),
        "shut": deploy("smoke-shut", "10.0.0.0/8"),
    }


def test_a_sam_apis_binary_types_keep_every_byte(sam_api):
    headers = {"content-type": "application/json"}
    answer = httpx.post(sam_api["open"], content=b"ok", headers=headers, timeout=20)
    assert (answer.status_code, answer.text) == (200, "Trueb2s=")


def test_a_sam_apis_policy_and_gateway_responses_hold_with_the_parameters_value(sam_api):
    answer = httpx.post(sam_api["shut"], content=b"x", timeout=20)
    assert (answer.status_code, answer.json()) == (403, {"fixed": True})


def test_resource_types_that_the_emulator_lacks_are_accepted(aws):
    template = {
        "Resources": {
            "A": {"Type": "AWS::WAFv2::WebACLAssociation", "Properties": {}},
            "B": {"Type": "AWS::EventSchemas::Registry", "Properties": {}},
            "F": {"Type": "AWS::EventSchemas::Schema", "Properties": {}},
            "C": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {}},
            "D": {"Type": "AWS::CodeDeploy::Application", "Properties": {}},
            "E": {"Type": "AWS::CodeDeploy::DeploymentGroup", "Properties": {}},
        }
    }
    create_stack(aws, "smoke-placeholders", json.dumps(template))


@pytest.fixture
def archived(aws):
    """A bus with an archive, as a template makes them; the archive's ARN."""
    name = f"smoke-{uuid4().hex[:8]}"
    template = {
        "Resources": {
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": name}},
            "Archive": {
                "Type": "AWS::Events::Archive",
                "Properties": {
                    "ArchiveName": name,
                    "SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]},
                    "EventPattern": {"source": ["smoke"]},
                    "RetentionDays": 1,
                },
            },
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Archive", "Arn"]}}},
    }
    return name, create_stack(aws, name, json.dumps(template))["Arn"]


def put(aws, bus, *sources):
    entries = [{"EventBusName": bus, "Source": source, "DetailType": "t", "Detail": "{}"}
               for source in sources]  # fmt: skip
    assert aws("events").put_events(Entries=entries)["FailedEntryCount"] == 0


def rule_to(aws, bus, name, queue):
    pattern = json.dumps({"source": ["smoke"]})
    arn = aws("events").put_rule(Name=name, EventBusName=bus, EventPattern=pattern)["RuleArn"]
    targets = [{"Id": "queue", "Arn": queue.arn}]
    aws("events").put_targets(Rule=name, EventBusName=bus, Targets=targets)
    return arn


def replay(events, bus, archive, rules):
    """Start a replay of the last hour; return its name."""
    name, now = f"{bus}-{uuid4().hex[:8]}", datetime.now(UTC)
    account = archive.rpartition(":archive/")[0]
    events.start_replay(
        ReplayName=name,
        EventSourceArn=archive,
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now + timedelta(minutes=1),
        Destination={"Arn": f"{account}:event-bus/{bus}", "FilterArns": rules},
    )
    return name


def test_an_archive_of_a_template_keeps_what_its_pattern_selects(aws, archived):
    bus, _ = archived
    put(aws, bus, "smoke", "other", "smoke")
    assert aws("events").describe_archive(ArchiveName=bus)["EventCount"] == 2


def test_a_replay_reaches_the_named_rule_only(aws, archived, queue):
    bus, archive = archived
    other = aws("sqs").create_queue(QueueName=f"smoke-{uuid4()}")["QueueUrl"]
    asked = aws("sqs").get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])
    put(aws, bus, "smoke")
    named = rule_to(aws, bus, "named", queue)
    unnamed = type("Queue", (), {"arn": asked["Attributes"]["QueueArn"]})
    rule_to(aws, bus, "unnamed", unnamed)
    name = replay(aws("events"), bus, archive, [named])
    (event,) = eventually(queue)
    assert event["replay-name"] == name
    shown = eventually(lambda: ended(aws, name))
    assert shown["EventLastReplayedTime"]
    assert "Messages" not in aws("sqs").receive_message(QueueUrl=other)


def ended(aws, name):
    shown = aws("events").describe_replay(ReplayName=name)
    return shown if shown["State"] in {"COMPLETED", "CANCELLED"} else None


def test_replays_archives_and_targets_are_named_in_iam(aws, archived, queue, local_stack):
    bus, archive = archived
    account = archive.rpartition(":archive/")[0]
    kinds = (f"replay/{bus}-*", f"archive/{bus}", f"rule/{bus}/ours")
    allowed = [f"{account}:{resource}" for resource in kinds]
    iam, user = aws("iam"), f"replayer-{uuid4()}"
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": "events:*", "Resource": allowed}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    events = boto3.client(
        "events",
        endpoint_url=local_stack.emulator.url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    assert events.describe_archive(ArchiveName=bus)["ArchiveArn"] == archive
    name = replay(events, bus, archive, [f"{account}:rule/{bus}/none"])
    assert events.describe_replay(ReplayName=name)["EventSourceArn"] == archive
    target = {"Targets": [{"Id": "queue", "Arn": queue.arn}], "EventBusName": bus}
    for rule in ("ours", "theirs"):
        rule_to(aws, bus, rule, queue)
    assert not events.put_targets(Rule="ours", **target)["FailedEntryCount"]
    for refused in (
        lambda: events.describe_replay(ReplayName="other"),
        lambda: events.describe_archive(ArchiveName="other"),
        lambda: events.put_targets(Rule="theirs", **target),
    ):
        with pytest.raises(events.exceptions.ClientError, match="AccessDenied"):
            refused()


def test_a_poison_record_of_a_stream_is_isolated_and_parked_and_the_rest_goes_on(
    aws, function, queue
):
    table = f"smoke-{uuid4()}"
    stream = aws("dynamodb").create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    seen = f"{table}-seen"
    aws("dynamodb").create_table(
        TableName=seen,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    name = function(
        f"""
        import boto3
        dynamodb = boto3.client("dynamodb")

        def handler(event, context):
            for record in event["Records"]:
                pk = record["dynamodb"]["Keys"]["pk"]
                if pk["S"] == "poison":
                    number = record["dynamodb"]["SequenceNumber"]
                    return {{"batchItemFailures": [{{"itemIdentifier": number}}]}}
                dynamodb.put_item(TableName={seen!r}, Item={{"pk": pk}})
            return {{"batchItemFailures": []}}
        """
    )
    for pk in ("a", "poison", "b", "c"):
        aws("dynamodb").put_item(TableName=table, Item={"pk": {"S": pk}})
    aws("lambda").create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=name,
        StartingPosition="TRIM_HORIZON",
        BatchSize=10,
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )

    def handled():
        items = aws("dynamodb").scan(TableName=seen)["Items"]
        return {item["pk"]["S"] for item in items} == {"a", "b", "c"}

    eventually(handled)
    assert eventually(queue)
