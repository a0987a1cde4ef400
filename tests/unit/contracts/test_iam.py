"""Every action, resource and condition key is in AWS's Service Authorization Reference.

policy_sentry carries the reference. IAM accepts a misspelt action, which then allows nothing.
"""

import fnmatch
import re
from functools import cache

import pytest
from policy_sentry.querying.actions import get_action_data

from tools.checks.resolving import PSEUDO, Resolved

KEY = "arn:aws:kms:eu-west-2:123456789012:key/0d1e2f3a-0000-4000-8000-000000000000"
STACK = Resolved(
    "codat-hub-staging", Environment="staging", KmsKeyArn=KEY, AuditRetentionDays="2557"
)
# They deny what is not sent over TLS.
EVERY_ACTION = {"sqs:*", "s3:*"}


def each(value):
    return value if isinstance(value, list) else [value]


def statements():
    """Yield every statement of the stack's own policies, with the name of its resource."""
    for name, role in STACK.of("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            yield name, {**statement, "Resource": None}  # a trust policy is its role's
    for kind in ("IAM::ManagedPolicy", "SQS::QueuePolicy", "S3::BucketPolicy"):
        for name, policy in STACK.of(f"AWS::{kind}").items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


ACTIONS = [
    pytest.param(name, action, statement, id=f"{name}-{action}-{number}")
    for number, (name, statement) in enumerate(statements())
    for action in each(statement["Action"])
    if action not in EVERY_ACTION
]


@cache
def forms_of(action):
    """Return what the reference says about an action: a row for each form of resource."""
    service, _, name = action.partition(":")
    return (get_action_data(service, name) or {}).get(service, [])


def as_pattern(form):
    """Return a form of ARN such as `…:table/${TableName}` as a regular expression."""
    for name in ("Partition", "Region", "Account"):
        form = form.replace(f"${{{name}}}", PSEUDO.get(f"AWS::{name}", PSEUDO["AWS::AccountId"]))
    parts = re.split(r"\$\{\w+\}", form)
    return ".+".join(map(re.escape, parts))


# The Developer Guide of Step Functions names the executions of a Map run in this form too.
MAP_RUNS = "arn:aws:states:eu-west-2:123456789012:execution:codat-hub-staging-migration/*"


def fits(resource, form):
    if resource == MAP_RUNS:
        return ":execution:" in form
    if re.fullmatch(as_pattern(form), resource):
        return True
    # a pattern of ours stands for what it matches
    return "*" in resource and fnmatch.fnmatchcase(re.sub(r"\$\{\w+\}", "x", form), resource)


def test_there_are_policies():
    assert len(ACTIONS) > 100


@pytest.mark.parametrize(("name", "action", "statement"), ACTIONS)
def test_an_action_exists_and_takes_the_resource(name, action, statement):
    forms = {row["resource_arn_format"] for row in forms_of(action)}
    assert forms, f"{name}: no service has the action {action}"
    for resource in each(statement["Resource"]):
        if resource is None:
            continue
        if resource == "*":
            assert forms == {"*"}, f"{name}: {action} can be bound to {forms}"
            continue
        bound = [form for form in forms - {"*"} if fits(resource, form)]
        assert bound, f"{name}: {action} on {resource} allows nothing; it takes {forms}"


@pytest.mark.parametrize(("name", "action", "statement"), ACTIONS)
def test_a_condition_key_is_one_of_the_action_or_of_all(name, action, statement):
    known = {key.lower() for row in forms_of(action) for key in row["condition_keys"]}
    for keys in statement.get("Condition", {}).values():
        for key in keys:
            everywhere = key.startswith("aws:")
            assert everywhere or key.lower() in known, f"{name}: {action} never sends {key}"
