"""Codat's published specification, if it is at hand, as something to check answers against."""

import json
import re
from functools import cache

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tools.samconfig import ROOT

FOLDER = ROOT.parent / "shared" / "codat"
SPEC = FOLDER / "oas" / "Codat-Platform.json"
EVENTS = FOLDER / "oas" / "webhook-events.schema.json"
AT_HAND = SPEC.exists()
MISSING = f"Codat's specification is not at hand ({SPEC})"

# Answered by Codat according to its docs, though the spec lists them for no operation or for some
# only: the general errors page (400, 405) and the idempotency page (409, 422).
DOCUMENTED_ELSEWHERE = ("400", "404", "405", "409", "422")


def nullable_converted(node):
    """The spec is 3.1 but says `nullable`, which a 2020-12 validator does not know."""
    if isinstance(node, list):
        return [nullable_converted(one) for one in node]
    if not isinstance(node, dict):
        return node
    converted = {key: nullable_converted(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is not True:
        return converted
    if "$ref" in converted:
        return {"anyOf": [{"$ref": converted["$ref"]}, {"type": "null"}]}
    if isinstance(converted.get("type"), str):
        converted["type"] = [converted["type"], "null"]
    if "enum" in converted:
        converted["enum"] = [*converted["enum"], None]
    return converted


@cache
def document():
    return nullable_converted(json.loads(SPEC.read_text()))


@cache
def _registry():
    return Registry().with_resource("codat", Resource(document(), DRAFT202012))


def operation(method: str, path: str):
    """The operation and its own path, for a request's path."""
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return template, operations[method.lower()]
    return None


def problems(method: str, path: str, status: int, body) -> list[str]:
    """What in an answer differs from the specification."""
    found = operation(method, path)
    if found is None:
        return []  # data reads are specified elsewhere
    template, described = found
    documented = described["responses"]
    if str(status) not in documented:
        allowed = str(status) in DOCUMENTED_ELSEWHERE
        return [] if allowed else [f"{status} is not documented for {method} {template}"]
    pointer = f"codat#/paths/{template.replace('/', '~1')}/{method.lower()}/responses/{status}"
    node = documented[str(status)]
    pointer = f"codat{node['$ref']}" if "$ref" in node else pointer
    if "$ref" in node:
        node = document()["components"]["responses"][node["$ref"].rpartition("/")[2]]
    if "content" not in node:
        return [] if body is None else [f"{status} has a body, though none is documented"]
    schema = {
        "$ref": f"{pointer}/content/application~1json/schema".replace("{", "%7B").replace(
            "}", "%7D"
        )
    }
    validator = Draft202012Validator(
        schema, registry=_registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
