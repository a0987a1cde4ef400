"""Codat's published specification, if it is at hand, to check answers and events against.

The environment variable CODAT_SPEC_FOLDER names a folder with `Codat-Platform.json`, which Codat
publishes in its repository `codatio/oas` (docs/codat.md), and with `webhook-events.schema.json`, a
stricter schema of the events in it.
"""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_FOLDER = Path(os.environ.get("CODAT_SPEC_FOLDER") or os.devnull)
SPEC = _FOLDER / "Codat-Platform.json"
EVENTS = _FOLDER / "webhook-events.schema.json"
AT_HAND = SPEC.is_file()
MISSING = (
    "Codat's specification is not at hand. To run this test, set CODAT_SPEC_FOLDER to a folder "
    "with {}: see CONTRIBUTING.md"
)
needs_spec = pytest.mark.skipif(not AT_HAND, reason=MISSING.format(SPEC.name))
needs_event_schema = pytest.mark.skipif(not EVENTS.is_file(), reason=MISSING.format(EVENTS.name))

# The specification lists these statuses for no operation or for some only. Codat's documentation
# has them: the general errors page (400, 405) and the idempotency page (409, 422).
DOCUMENTED_ELSEWHERE = ("400", "404", "405", "409", "422")


def nullable_converted(node):
    """Convert `nullable`, which the 3.1 document has and a 2020-12 validator does not know."""
    if isinstance(node, list):
        return [nullable_converted(element) for element in node]
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
def published():
    """Return the specification as Codat publishes it."""
    return json.loads(SPEC.read_text())


@cache
def document():
    """Return the specification as a document that a 2020-12 validator understands."""
    return nullable_converted(published())


@cache
def _registry():
    return Registry().with_resource("codat", Resource(document(), DRAFT202012))


def operation(method: str, path: str):
    """Find the operation of a request's path, with the path that the specification gives it."""
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            return template, operations[method.lower()]
    return None


def problems(method: str, path: str, status: int, body) -> list[str]:
    """List what in an answer differs from the specification."""
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
