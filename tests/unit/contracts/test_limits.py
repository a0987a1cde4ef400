"""A stack with the longest allowed name stays within AWS's published limits.

Each limit is from the service's "quotas" page or its API reference.
"""

import json
import re

import pytest

from tools.checks.resolving import REGION, Resolved
from tools.preflight.stack_checks import LONGEST_REGION, longest_stack_name
from tools.samconfig import ROOT, deployment
from tools.template import TEMPLATE

NAME = "n" * longest_stack_name(REGION)
DOMAIN = "d" * 60 + ".com"
LONG = {
    "AuditRetentionDays": "2557",
    "Environment": "staging",
    "WebhookDomain": DOMAIN,
    "WebhookCertificateArn": f"arn:aws:acm:{REGION}:123456789012:certificate/{'c' * 36}",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:123456789012:key/{'k' * 36}",
    "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
    "CodatClientId": "0d1e2f3a-0000-4000-8000-000000000000",
    "SilenceAlarmHours": "24",
    "ApiGatewayAccountRole": "create",
    "MigrationCallsPerSecond": "12",
}
STACK = Resolved(NAME, **LONG)
# The longest text of each property, by type.
LENGTHS = {
    "AWS::DynamoDB::Table": {"TableName": 255},
    "AWS::SQS::Queue": {"QueueName": 80},
    "AWS::S3::Bucket": {"BucketName": 63},
    "AWS::SecretsManager::Secret": {"Name": 512, "Description": 2048},
    "AWS::Lambda::Function": {"Description": 256},
    "AWS::Lambda::Version": {"Description": 256},
    "AWS::Lambda::LayerVersion": {"LayerName": 140, "Description": 256},
    "AWS::StepFunctions::StateMachine": {"StateMachineName": 80},
    "AWS::Scheduler::ScheduleGroup": {"Name": 64},
    "AWS::Scheduler::Schedule": {"Name": 64, "Description": 512},
    "AWS::Events::EventBus": {"Name": 256},
    "AWS::Events::Rule": {"Name": 64, "Description": 512},
    "AWS::Logs::LogGroup": {"LogGroupName": 512},
    "AWS::CloudWatch::Alarm": {"AlarmDescription": 1024},
    "AWS::CloudWatch::Dashboard": {"DashboardName": 255},
    "AWS::IAM::Role": {"Description": 1000},
    "AWS::IAM::ManagedPolicy": {"Description": 1000},
    "AWS::ApiGateway::DomainName": {"DomainName": 64},
}


@pytest.mark.parametrize(
    ("kind", "attribute", "longest"),
    [(kind, *limit) for kind, limits in LENGTHS.items() for limit in limits.items()],
)
def test_a_text_is_short_enough(kind, attribute, longest):
    assert STACK.of(kind), kind
    for name, properties in STACK.of(kind).items():
        assert len(str(properties.get(attribute, ""))) <= longest, name


def test_the_longest_name_is_the_buckets_and_every_environment_keeps_to_it():
    assert len(STACK.of("AWS::S3::Bucket")["MigrationManifests"]["BucketName"]) == 63
    for environment in ("dev", "test", "staging", "prod"):
        assert len(deployment(environment).stack_name) <= longest_stack_name(LONGEST_REGION)


def size(document):
    """Return the characters that IAM counts: without white space."""
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def test_policies_are_short_enough():
    for name, policy in STACK.of("AWS::IAM::ManagedPolicy").items():
        assert size(policy["PolicyDocument"]) <= 6144, name
    for name, role in STACK.of("AWS::IAM::Role").items():
        inline = sum(size(policy["PolicyDocument"]) for policy in role.get("Policies", []))
        assert inline <= 10240, name
        assert size(role["AssumeRolePolicyDocument"]) <= 2048, name
        assert len(role.get("ManagedPolicyArns", [])) <= 10, name
    for name, api in STACK.of("AWS::ApiGateway::RestApi").items():
        assert size(api["Body"].get("x-amazon-apigateway-policy", {})) <= 8192, name


def test_variables_of_a_function_are_short_enough():
    for name, function in STACK.of("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        assert sum(len(key) + len(str(value)) for key, value in variables.items()) <= 4096, name


def test_counts_and_sizes_of_the_template():
    assert len(STACK.resources) <= 500
    assert len(TEMPLATE["Parameters"]) <= 200
    assert len(TEMPLATE["Outputs"]) <= 200
    assert all(len(p["Description"]) <= 4000 for p in TEMPLATE["Parameters"].values())
    assert len(json.dumps(STACK.resources)) <= 1_000_000
    assert len((ROOT / "template.yaml").read_text()) <= 1_000_000
    assert len((ROOT / "statemachines" / "migration.asl.json").read_text()) <= 1_000_000


def test_what_refers_to_a_queue_or_a_bucket_meets_its_service_limits():
    for name, queue in STACK.of("AWS::SQS::Queue").items():
        assert 60 <= queue.get("MessageRetentionPeriod", 345_600) <= 1_209_600, name
        assert queue.get("VisibilityTimeout", 30) <= 43_200, name
    for name, function in STACK.of("AWS::Lambda::Function").items():
        assert function["Timeout"] <= 900, name
        assert 128 <= function["MemorySize"] <= 10_240, name
    for name, alarm in STACK.of("AWS::CloudWatch::Alarm").items():
        # a week at most for periods of an hour, a day for shorter ones
        most = 604_800 if alarm["Period"] >= 3600 else 86_400
        assert alarm["Period"] * int(alarm["EvaluationPeriods"]) <= most, name
