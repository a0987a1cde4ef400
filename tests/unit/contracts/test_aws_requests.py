"""Every AWS request of the code is one that the service's model has, with its fields.

botocore carries the models that AWS publishes. A fake that takes a misspelt field would not tell.
"""

import ast
import re
from functools import cache

import boto3
import pytest

from tools.samconfig import ROOT

SERVICES = (
    *("dynamodb", "events", "lambda", "s3"),
    *("scheduler", "secretsmanager", "sqs", "stepfunctions"),
)
SOURCES = sorted((ROOT / "functions").rglob("*.py"))
FIELD = re.compile(r"[A-Z][A-Za-z]*[a-z][A-Za-z]*")
# Of botocore itself: errors, and the types of DynamoDB's attribute values.
OF_BOTOCORE = {"Error", "Code", "Message", "ResponseMetadata", "HTTPStatusCode"}
# Of IAM's policy language, in which a queue's policy is written.
OF_POLICIES = {
    *("Action", "ArnEquals", "Condition", "Effect", "Principal", "Resource", "Service"),
    *("Sid", "Statement", "StringEquals", "Version"),
}
OF_BOTOCORE |= {"S", "N", "B", "M", "L", "BOOL", "NULL", "SS", "NS"}


@cache
def operations():
    """Return, by method, the models of every service that has it."""
    found = {}
    for service in SERVICES:
        client = boto3.client(service, region_name="eu-west-2")
        for method, operation in client.meta.method_to_api_mapping.items():
            found.setdefault(method, []).append(
                client.meta.service_model.operation_model(operation)
            )
    return found


def calls(tree):
    """Yield each call of an AWS operation: its methods are those that take fields by name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = [keyword.arg for keyword in node.keywords]
        models = operations().get(node.func.attr, [])
        camel = any(model.service_model.service_name == "stepfunctions" for model in models)
        if models and (camel or any(name is None or FIELD.fullmatch(name) for name in given)):
            yield node, given


def members(shape, seen=frozenset()):
    """Return the names of all fields of a shape, however deep."""
    if shape is None or shape.name in seen:
        return set()
    seen |= {shape.name}
    match shape.type_name:
        case "structure":
            deeper = [members(each, seen) for each in shape.members.values()]
            return set(shape.members).union(*deeper)
        case "list":
            return members(shape.member, seen)
        case "map":
            return members(shape.value, seen) | set(getattr(shape.key, "enum", []))
    return set()


CALLS = [
    pytest.param(node, given, id=f"{path.stem}:{node.lineno}-{node.func.attr}")
    for path in SOURCES
    for node, given in calls(ast.parse(path.read_text()))
]


def test_the_calls_are_found():
    assert len(CALLS) >= 30
    assert {node.func.attr for node, _ in (param.values for param in CALLS)} >= {
        *("put_item", "query", "send_message", "put_events", "create_schedule", "put_secret_value"),
        *("start_execution", "send_task_success", "get_object"),
    }


@pytest.mark.parametrize(("node", "given"), CALLS)
def test_a_request_has_the_fields_of_its_operation(node, given):
    fitting = []
    for model in operations()[node.func.attr]:
        shape = model.input_shape
        known = set(shape.members)
        complete = None in given or set(shape.required_members) <= set(given)
        if set(given) - {None} <= known and complete:
            fitting.append(model.service_model.service_name)
    assert fitting, f"no service takes {node.func.attr}({', '.join(map(str, given))})"


def models_of(tree):
    """Yield the models of every operation that a module calls, names for a paginator or passes."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=str(name)) | ast.Constant(value=str(name)):
                yield from operations().get(name, [])


def named_fields(tree):
    """Yield names of AWS's form: x["Items"], x.get("Items"), {"TableName": …}."""
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys):
                yield from (key.value for key in keys if isinstance(key, ast.Constant))
            case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                yield name
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
                yield name


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if any(calls(ast.parse(path.read_text())))],
    ids=lambda path: str(path.relative_to(ROOT / "functions" / "codat_hub")),
)
def test_what_a_module_builds_and_reads_is_in_requests_and_answers(path):
    tree = ast.parse(path.read_text())
    known = OF_BOTOCORE | OF_POLICIES
    for model in models_of(tree):
        known |= members(model.input_shape) | members(model.output_shape)
        known |= {name for error in model.error_shapes for name in members(error)}
    named = {name for name in named_fields(tree) if FIELD.fullmatch(str(name))}
    assert named <= known
