"""Checks of the AWS account: who deploys, where, and whether there is room."""

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from tools.preflight.check import Check, code_of, failed, is_denied, passed, unknown
from tools.preflight.target import Target
from tools.template import TEMPLATE, resources

SERVICES: Final = (
    *("apigateway", "cloudformation", "cloudwatch", "codedeploy", "dynamodb", "events", "kms"),
    *("lambda", "logs", "s3", "scheduler", "secretsmanager", "sqs", "stepfunctions"),
)
# The hub's own maximum is about 60: stream shards, queues and one of each other function.
LEAST_CONCURRENCY: Final = 100
# What a deployment creates first in each service; it fails half-way if one of them is denied.
DEPLOYS_WITH: Final = (
    *("cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"),
    *("cloudformation:DescribeStacks", "s3:CreateBucket", "s3:PutObject", "iam:CreateRole"),
    *("iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PassRole", "iam:CreatePolicy"),
    *("lambda:CreateFunction", "lambda:PublishLayerVersion", "lambda:CreateEventSourceMapping"),
    *("apigateway:POST", "dynamodb:CreateTable", "dynamodb:UpdateContinuousBackups"),
    *("sqs:CreateQueue", "secretsmanager:CreateSecret", "events:CreateEventBus"),
    *("events:PutRule", "scheduler:CreateScheduleGroup", "scheduler:CreateSchedule"),
    *("states:CreateStateMachine", "logs:CreateLogGroup", "cloudwatch:PutMetricAlarm"),
    *("cloudwatch:PutDashboard", "codedeploy:CreateApplication"),
)
_ROLE: Final = "ApiGatewayAccountRole"
# (what, limit, how many one stack adds); AWS raises the last two on request
_REST_APIS, _SCHEDULE_GROUPS, _BUSES = 600, 500, 100


def may_deploy(target: Target) -> list[Check]:
    """Ask IAM whether the caller may create one resource of each kind."""
    name = "who may deploy"
    caller = target.client("sts").get_caller_identity()["Arn"]
    if caller.endswith(":root"):
        return [passed(name, "the account's root user may")]
    source = re.sub(r":sts:(.*):assumed-role/([^/]+)/.*", r":iam:\1:role/\2", caller)
    iam = target.client("iam")
    try:
        simulated = iam.simulate_principal_policy(
            PolicySourceArn=source, ActionNames=list(DEPLOYS_WITH)
        )["EvaluationResults"]
    except ClientError as error:
        if is_denied(error) or code_of(error) == "NoSuchEntity":
            return [unknown(name, f"your role may not simulate the policies of {source}")]
        raise
    denied = [each["EvalActionName"] for each in simulated if each["EvalDecision"] != "allowed"]
    if denied:
        then = f"Allow {source} these actions, or deploy with another role (AWS_PROFILE)."
        return [failed(name, f"{source} may not: {', '.join(denied)}", then)]
    return [passed(name, f"{source} may")]


def region_has_services(target: Target) -> list[Check]:
    """Compare the region with AWS's published list of endpoints."""
    name = "region"
    lacking = [
        service
        for service in SERVICES
        if target.region not in target.session.get_available_regions(service)
    ]
    if lacking:
        then = f"Set another region in samconfig.toml, [{target.environment}.deploy.parameters]."
        return [failed(name, f"{target.region} lacks {', '.join(lacking)}", then)]
    return [passed(name, f"{target.region} has the {len(SERVICES)} services")]


def access_log_role(target: Target) -> list[Check]:
    """Look up the account's role for access logs, as `make deploy` does."""
    name = "API Gateway's logging role"
    if target.client("apigateway").get_account().get("cloudwatchRoleArn"):
        return [passed(name, "the account has one")]
    if target.deployed.overrides.get(_ROLE) == "existing":
        then = f"Remove {_ROLE}=existing from samconfig.toml; the stack then creates it."
        return [failed(name, "the account has none in this region", then)]
    return [passed(name, "this stack creates it")]


def lambda_concurrency(target: Target) -> list[Check]:
    """Compare the account's concurrency with what the hub needs and reserves."""
    name = "Lambda concurrency"
    limit = target.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    reserved = int(target.parameters["WebhookReservedConcurrency"])
    needed = LEAST_CONCURRENCY + reserved
    if limit < needed:
        then = (
            "aws service-quotas request-service-quota-increase --service-code lambda"
            f" --quota-code L-B99A9384 --desired-value {max(needed, 1000)}"
            f" --region {target.region}"
        )
        return [failed(name, f"the account has {limit}; the hub needs {needed}", then)]
    return [passed(name, f"{limit} of at least {needed}")]


def room(target: Target) -> list[Check]:
    """Count what an account may have a limited number of. A stack that exists has its place."""
    new = target.stack is None
    apis = target.client("apigateway").get_paginator("get_rest_apis").paginate()
    groups = target.client("scheduler").get_paginator("list_schedule_groups").paginate()
    buses = target.client("events").list_event_buses(Limit=100)["EventBuses"]
    counted = {
        "REST APIs": (sum(len(page["items"]) for page in apis), _REST_APIS, 2),
        "schedule groups": (sum(len(p["ScheduleGroups"]) for p in groups), _SCHEDULE_GROUPS, 1),
        "event buses": (len(buses), _BUSES, 1),
        **_roles(target.client("iam").get_account_summary()["SummaryMap"]),
    }
    full = [
        f"{used} {what} of {most}"
        for what, (used, most, added) in counted.items()
        if new and used + added > most
    ]
    if full:
        then = (
            "Delete what is unused, or raise the quota in the Service Quotas console of"
            f" {target.region}."
        )
        return [failed("quotas", f"no room: {', '.join(full)}", then)]
    shown = ", ".join(f"{used}/{most} {what}" for what, (used, most, _) in counted.items())
    return [passed("quotas", shown)]


def _roles(summary: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return how many roles there are, may be and are added; nothing if AWS does not say."""
    if "RolesQuota" not in summary:
        return {}
    added = len(resources("AWS::IAM::Role")) + len(resources("AWS::Serverless::Function"))
    return {"roles": (int(summary["Roles"]), int(summary["RolesQuota"]), added)}


def parameter_values(target: Target) -> list[Check]:
    """Compare samconfig.toml with the template's parameters and rules."""
    name = "parameters"
    problems = [
        problem
        for given, value in target.deployed.overrides.items()
        if (problem := _problem(given, value))
    ]
    values = target.parameters
    if values["Environment"] == "prod":
        problems += [
            f"prod needs {needed}"
            for needed in ("AlarmTopicArn", "CodatClientId")
            if not values[needed]
        ]
    closed = values["WebhookDefaultEndpoint"] == "disabled"
    if not values["WebhookDomain"] and (values["WebhookCertificateArn"] or closed):
        problems.append("a certificate or a closed default endpoint needs WebhookDomain")
    if bool(values["VpcSubnetIds"]) is not bool(values["VpcSecurityGroupIds"]):
        problems.append("a VPC needs VpcSubnetIds and VpcSecurityGroupIds")
    if problems:
        section = f"[{target.environment}.deploy.parameters]"
        then = f"Correct parameter_overrides in samconfig.toml, {section}."
        return [failed(name, "; ".join(problems), then)]
    return [passed(name, f"{len(target.deployed.overrides)} set, all allowed")]


def _problem(name: str, value: str) -> str | None:
    """Return why CloudFormation would refuse the value, None if it would not."""
    parameter: dict[str, Any] | None = TEMPLATE["Parameters"].get(name)
    if parameter is None:
        return f"the template has no parameter {name}"
    allowed = [str(each) for each in parameter.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"{name} is one of {', '.join(allowed)}"
    if not re.search(parameter.get("AllowedPattern", ""), value):
        return f"{name} is {parameter['ConstraintDescription']}"
    if parameter["Type"] == "Number":
        return _number_problem(name, value, parameter)
    return None


def _number_problem(name: str, value: str, parameter: Mapping[str, Any]) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return f"{name} is a number"
    least, most = parameter.get("MinValue", number), parameter.get("MaxValue", number)
    return None if least <= number <= most else f"{name} is between {least} and {most}"
