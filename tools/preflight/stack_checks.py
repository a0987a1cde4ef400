"""Checks of what the stack would meet: its own state, names that are taken, what it refers to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from tools.preflight.check import Check, code_of, failed, is_denied, passed, unknown
from tools.preflight.target import Target
from tools.template import RESOURCES

LONGEST_REGION: Final = "ap-southeast-1"
_LONGEST_BUCKET: Final = 63  # its name holds the stack's, the account's and the region's
_STACK: Final = re.compile(r"[a-z][a-z0-9-]*")
_HALF_CREATED: Final = ("CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED")
_BUSY: Final = "_IN_PROGRESS"
_ABSENT: Final = re.compile(r"NotFound|NoSuch|NonExistent|DoesNotExist|^404$")


@dataclass(frozen=True)
class Named:
    """How to look up a resource by its name, and how to delete what an earlier stack left."""

    attribute: str
    service: str
    operation: str
    argument: str
    delete: str


_NAMED: Final = {
    "AWS::DynamoDB::Table": Named(
        *("TableName", "dynamodb", "describe_table", "TableName"),
        "aws dynamodb delete-table --table-name {name}",
    ),
    "AWS::SecretsManager::Secret": Named(
        *("Name", "secretsmanager", "describe_secret", "SecretId"),
        "aws secretsmanager delete-secret --secret-id {name} --force-delete-without-recovery",
    ),
    "AWS::S3::Bucket": Named(
        *("BucketName", "s3", "head_bucket", "Bucket"),
        "aws s3api delete-bucket --bucket {name}",
    ),
    "AWS::SQS::Queue": Named(
        *("QueueName", "sqs", "get_queue_url", "QueueName"),
        "aws sqs delete-queue --queue-url {name}",
    ),
    "AWS::Events::EventBus": Named(
        *("Name", "events", "describe_event_bus", "Name"),
        "aws events delete-event-bus --name {name}",
    ),
    "AWS::Scheduler::ScheduleGroup": Named(
        *("Name", "scheduler", "get_schedule_group", "Name"),
        "aws scheduler delete-schedule-group --name {name}",
    ),
    "AWS::Logs::LogGroup": Named(
        *("LogGroupName", "logs", "describe_log_groups", "logGroupNamePrefix"),
        "aws logs delete-log-group --log-group-name {name}",
    ),
}


def longest_stack_name(region: str) -> int:
    """Return how long a stack's name may be, because the bucket's name holds it."""
    return _LONGEST_BUCKET - len(f"-migrations-123456789012-{region}")


def stack_name(target: Target) -> list[Check]:
    """Tell whether every name that begins with the stack's is allowed."""
    name, longest = "stack name", longest_stack_name(target.region)
    if len(target.name) > longest or not _STACK.fullmatch(target.name):
        then = (
            f"Set stack_name in samconfig.toml, [{target.environment}.deploy.parameters]:"
            f" {longest} characters at most, of a-z, 0-9 and -."
        )
        return [failed(name, f"{target.name} makes names that AWS refuses", then)]
    return [passed(name, f"{len(target.name)} of {longest} characters")]


def state(target: Target) -> list[Check]:
    """Tell whether CloudFormation takes a deployment of the stack now."""
    name = "stack"
    if target.stack is None:
        return [passed(name, f"{target.name} is new")]
    status = target.stack["StackStatus"]
    if status in _HALF_CREATED:
        then = 'docs/deploy.md, "A stack that is half created"'
        return [failed(name, f"{target.name} is in {status}", then)]
    if status.endswith(_BUSY):
        then = "Wait for it: aws cloudformation describe-stacks --stack-name " + target.name
        return [failed(name, f"{target.name} is in {status}", then)]
    return [passed(name, f"{target.name} is in {status}")]


def names(target: Target) -> list[Check]:
    """Look for names of the stack that an earlier one has left. Such a deployment would fail."""
    if target.stack is not None and target.stack["StackStatus"] != "ROLLBACK_COMPLETE":
        return [passed("names", "the stack has them")]
    wanted = list(_names(target))
    taken = [check for named, name in wanted if (check := _taken(target, named, name))]
    return taken or [passed("names", f"{len(wanted)} names are free")]


def _names(target: Target) -> Iterator[tuple[Named, str]]:
    """Yield what has a fixed name in the template, with the name in this account."""
    values = {
        "AWS::StackName": target.name,
        "AWS::AccountId": target.account,
        "AWS::Region": target.region,
    }
    for body in RESOURCES.values():
        named = _NAMED.get(body["Type"])
        pattern = body["Properties"].get(named.attribute) if named else None
        if named is None or not isinstance(pattern, dict):
            continue
        name = re.sub(r"\$\{([\w:]+)\}", lambda m: values.get(m[1], m[0]), pattern["Fn::Sub"])
        if "$" not in name:  # a log group's name that holds a function's name is free
            yield named, name


def _taken(target: Target, named: Named, name: str) -> Check | None:
    try:
        found = getattr(target.client(named.service), named.operation)(**{named.argument: name})
    except ClientError as error:
        if _ABSENT.search(code_of(error)):
            return None
        if named.service == "s3" and is_denied(error):
            then = f"Choose another stack_name in samconfig.toml, [{target.environment}…]."
            return failed("names", f"{name} belongs to another account", then)
        if is_denied(error):
            return unknown("names", f"your role may not look for {name}")
        raise
    groups = [group["logGroupName"] for group in found.get("logGroups", [])]
    if named.service == "logs" and name not in groups:
        return None
    words = named.delete.format(name=found.get("QueueUrl", name))
    if found.get("Table", {}).get("DeletionProtectionEnabled"):
        update = f"aws dynamodb update-table --table-name {name}"
        words = f"{update} --no-deletion-protection-enabled && {words}"
    then = f"If you no longer need what it holds: {words} --region {target.region}"
    return failed("names", f"{name} exists already, from another stack", then)


@dataclass(frozen=True)
class Referred:
    """How to look up what a parameter names. `ready`: a text of the answer if it can be used."""

    service: str
    operation: str
    argument: str
    ready: str = ""
    many: bool = False  # the parameter lists several


_REFERRED: Final = {
    "PermissionsBoundaryArn": Referred("iam", "get_policy", "PolicyArn"),
    "KmsKeyArn": Referred("kms", "describe_key", "KeyId", "'KeyState': 'Enabled'"),
    "AlarmTopicArn": Referred("sns", "get_topic_attributes", "TopicArn"),
    "VpcSubnetIds": Referred("ec2", "describe_subnets", "SubnetIds", many=True),
    "VpcSecurityGroupIds": Referred("ec2", "describe_security_groups", "GroupIds", many=True),
    "WebhookCertificateArn": Referred(
        "acm", "describe_certificate", "CertificateArn", "'Status': 'ISSUED'"
    ),
}


def references(target: Target) -> list[Check]:
    """Look up each resource outside the stack that a parameter names."""
    return [
        _reference(target, parameter, referred, value)
        for parameter, referred in _REFERRED.items()
        if (value := target.parameters[parameter])
    ]


def _reference(target: Target, parameter: str, referred: Referred, value: str) -> Check:
    then = f"Correct {parameter} in samconfig.toml, or create what it names."
    look = getattr(target.client(referred.service), referred.operation)
    try:
        answer = look(**{referred.argument: value.split(",") if referred.many else value})
    except ClientError as error:
        if is_denied(error):
            return unknown(parameter, f"your role may not look for {value}")
        return failed(parameter, f"{value}: {code_of(error)}", then)
    if referred.ready not in str(answer):
        return failed(parameter, f"{value} is there and not ready", then)
    return passed(parameter, value)
