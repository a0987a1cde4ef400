"""The example consumer's template: what its function may do, and what its rule selects."""

import json
import os
import re
from unittest import mock

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tests.support.histories import Ledger, a_read
from tools.checks.transforming import NoManagedPolicies
from tools.samconfig import ROOT

TEXT = (ROOT / "tools/example_consumer/template.yaml").read_text()


@pytest.fixture(scope="module")
def resources():
    template = yaml_parse(TEXT)
    template["Resources"]["LandRecords"]["Properties"]["CodeUri"] = "s3://packaged/code"
    values = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()}
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION="eu-west-2"):
        return transform(template, values, NoManagedPolicies())["Resources"]


def test_its_pattern_is_that_of_the_hubs_events(resources):
    (event,) = Ledger().take(a_read(1)).published
    pattern = resources["Rule"]["Properties"]["EventPattern"]
    assert pattern["source"] == ["codat-hub"]
    assert pattern["detail-type"] == ["ProductReadCompleted"]
    assert pattern["detail"]["version"] == [event.detail()["version"]]
    assert pattern["detail"].keys() - {"$or"} <= event.detail().keys()


def test_the_function_may_add_records_and_change_nothing(resources):
    (policy,) = resources["LandRecordsRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert [statement["Action"] for statement in statements] == [
        "s3:PutObject",
        "s3:ListBucket",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
    ]
    assert "*" not in [statement["Resource"] for statement in statements]


def test_a_message_is_one_at_a_time_and_outlives_the_function(resources):
    (mapping,) = (
        one for one in resources.values() if one["Type"] == "AWS::Lambda::EventSourceMapping"
    )
    assert mapping["Properties"]["BatchSize"] == 1
    assert mapping["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 2}
    timeout = resources["LandRecords"]["Properties"]["Timeout"]
    assert resources["Queue"]["Properties"]["VisibilityTimeout"] >= 6 * timeout


def test_a_message_may_be_sent_again_more_often_than_lambdas_guard_allows(resources):
    assert resources["LandRecords"]["Properties"]["RecursiveLoop"] == "Allow"


def test_dead_letters_alarm_and_stay_two_weeks(resources):
    alarm = resources["EventsFailed"]["Properties"]
    assert alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["DeadLetters", "QueueName"]}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    for name in ("Queue", "DeadLetters"):
        assert resources[name]["Properties"]["MessageRetentionPeriod"] == 14 * 86_400


def test_the_records_outlive_the_stack_and_are_private(resources):
    assert resources["Records"]["DeletionPolicy"] == "Retain"
    assert all(resources["Records"]["Properties"]["PublicAccessBlockConfiguration"].values())


def test_the_policy_for_a_team_names_the_folder_of_its_product():
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs/teams.md").read_text(), re.DOTALL)
    statements = [one for block in blocks for one in json.loads(block)["Statement"]]
    by_sid = {statement["Sid"]: statement for statement in statements}
    assert by_sid["ReadRecordsOfTheProduct"]["Resource"].endswith("<bucket>/product=<product>/*")
    listed = by_sid["ListRecordsOfTheProduct"]["Condition"]["StringLike"]
    assert listed == {"s3:prefix": "product=<product>/*"}
