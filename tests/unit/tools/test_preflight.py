"""A preflight compares samconfig.toml, the region and the quotas with what the hub needs."""

import json

import boto3
import pytest

from tests.support.aws_commands import commands_of
from tools.preflight import __main__ as command
from tools.preflight import account_checks, stack_checks
from tools.preflight.check import State, failed, passed, unknown
from tools.preflight.target import Target
from tools.samconfig import Deployment

CLIENT = "0d1e2f3a-0000-4000-8000-000000000000"


class Account:
    """An AWS account with some limits; it is the client of every service."""

    def __init__(self, concurrency=1000, apis=1, roles=10):
        self.concurrency, self.apis, self.roles = concurrency, apis, roles

    def __call__(self, *_args, **_kwargs):
        return self

    def get_account_settings(self):
        return {"AccountLimit": {"ConcurrentExecutions": self.concurrency}}

    def get_account_summary(self):
        return {"SummaryMap": {"Roles": self.roles, "RolesQuota": 1000}}

    def list_event_buses(self, **_given):
        return {"EventBuses": [1]}

    def get_paginator(self, _name):
        return self

    def paginate(self):
        yield {"items": [1] * self.apis, "ScheduleGroups": [1]}


def target(region="eu-west-2", environment="dev", account=None, **overrides):
    session = boto3.Session()
    if account is not None:
        session.client = account
    overrides = {"Environment": environment} | overrides
    return Target(environment, Deployment(region, "hub", overrides), session, account="1")


def only(checks):
    (check,) = checks
    return check


@pytest.mark.parametrize(
    ("wrong", "said", "right"),
    [
        ({"Envronment": "dev"}, "no parameter Envronment", {}),
        ({"RefreshLeaseScope": "all"}, "one of company, product", {"RefreshLeaseScope": "product"}),
        ({"CodatClientId": "abc"}, "the Codat client's id (a UUID)", {"CodatClientId": CLIENT}),
        ({"WebhookRateLimit": "0"}, "is between 1 and", {"WebhookRateLimit": "1"}),
        ({"WebhookRateLimit": "many"}, "is a number", {"WebhookRateLimit": "10"}),
        ({"VpcSubnetIds": "subnet-1"}, "needs VpcSubnetIds and VpcSecurityGroupIds",
         {"VpcSubnetIds": "subnet-1", "VpcSecurityGroupIds": "sg-1"}),
        ({"WebhookDefaultEndpoint": "disabled"}, "needs WebhookDomain",
         {"WebhookDefaultEndpoint": "disabled", "WebhookDomain": "hooks.example.com"}),
    ],
)  # fmt: skip
def test_a_value_that_cloudformation_would_refuse_is_named(wrong, said, right):
    check = only(account_checks.parameter_values(target(**wrong)))
    assert check.state is State.FAILED
    assert said in check.found
    assert "[dev.deploy.parameters]" in check.next
    assert only(account_checks.parameter_values(target(**right))).state is State.PASSED


def test_prod_needs_a_topic_and_a_client():
    check = only(account_checks.parameter_values(target(environment="prod")))
    assert "prod needs AlarmTopicArn; prod needs CodatClientId" in check.found
    given = {"AlarmTopicArn": "arn:aws:sns:eu-west-2:1:alarms", "CodatClientId": CLIENT}
    check = only(account_checks.parameter_values(target(environment="prod", **given)))
    assert check.state is State.PASSED


@pytest.mark.parametrize("name", ["codat-hub-of-the-whole-bank-staging", "CodatHub", "codat_hub"])
def test_a_stack_name_that_makes_forbidden_names_is_named(name):
    session = boto3.Session()
    seen = Target("dev", Deployment("eu-west-2", name, {}), session)
    check = only(stack_checks.stack_name(seen))
    assert (check.state, "[dev.deploy.parameters]" in check.next) == (State.FAILED, True)
    longest = "h" * int(check.next.rpartition(": ")[2].split()[0])
    seen = Target("dev", Deployment("eu-west-2", longest, {}), session)
    assert only(stack_checks.stack_name(seen)).state is State.PASSED


def test_a_region_without_a_service_is_named():
    check = only(account_checks.region_has_services(target("eu-nowhere-1")))
    assert (check.state, "lacks apigateway" in check.found) == (State.FAILED, True)
    assert only(account_checks.region_has_services(target())).state is State.PASSED


def test_an_account_with_too_little_concurrency_gets_more_by_the_command():
    account = Account(concurrency=10)
    check = only(account_checks.lambda_concurrency(target(account=account)))
    assert check.state is State.FAILED
    ((_, service, operation, *words),) = commands_of(check.next)
    shape = boto3.client(service, region_name="eu-west-2").meta.service_model.operation_model(
        "RequestServiceQuotaIncrease"
    )
    assert operation == "request-service-quota-increase"
    options = {word for word in words if word.startswith("--")} - {"--region"}
    assert options == {"--service-code", "--quota-code", "--desired-value"}
    assert {"ServiceCode", "QuotaCode", "DesiredValue"} == set(shape.input_shape.required_members)
    account.concurrency = int(words[words.index("--desired-value") + 1])
    assert only(account_checks.lambda_concurrency(target(account=account))).state is State.PASSED


def test_reserved_concurrency_leaves_a_hundred_to_the_account():
    given = {"account": Account(concurrency=150), "WebhookReservedConcurrency": "51"}
    assert only(account_checks.lambda_concurrency(target(**given))).state is State.FAILED
    given["WebhookReservedConcurrency"] = "50"
    assert only(account_checks.lambda_concurrency(target(**given))).state is State.PASSED


@pytest.mark.parametrize(
    ("full", "said"), [({"apis": 599}, "599 REST APIs of 600"), ({"roles": 999}, "999 roles of")]
)
def test_an_account_without_room_is_named(full, said):
    check = only(account_checks.room(target(account=Account(**full))))
    assert (check.state, said in check.found) == (State.FAILED, True)
    assert only(account_checks.room(target(account=Account()))).state is State.PASSED


def test_the_table_and_the_json_say_the_same():
    checks = [passed("region", "good"), failed("names", "taken", "aws x"), unknown("Codat", "no")]
    shown = command.table(target(), checks).splitlines()
    assert shown[1:] == [
        "  ✓ region  good",
        "  ✗ names   taken",
        "      Next: aws x",
        "  ? Codat   no",
    ]
    document = json.loads(command.as_json(target(), checks))
    assert document["passed"] is False
    assert [check["state"] for check in document["checks"]] == ["passed", "failed", "unknown"]


@pytest.mark.parametrize(
    ("of_aws", "of_codat", "code", "deploying"),
    [
        ([], [], 0, 0),
        ([failed("a", "b", "c")], [], 1, 1),
        ([], [failed("a", "b", "c")], 1, 0),
        ([unknown("a", "b")], [unknown("a", "b")], 0, 0),
    ],
)
def test_what_failed_decides_the_exit_code(monkeypatch, of_aws, of_codat, code, deploying):
    of_aws = [passed("credentials", "x"), *of_aws]
    monkeypatch.setattr(command, "preflight", lambda _target: (of_aws, of_codat))
    assert command.main(["dev"]) == code
    assert command.main(["dev", "--deploying"]) == deploying


def test_a_local_stack_that_is_down_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tools.preflight.target.LOCAL", tmp_path / "stack.json")
    assert command.main(["local"]) == 1
    assert "make up" in capsys.readouterr().err
