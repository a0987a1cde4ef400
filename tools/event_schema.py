"""`python -m tools.event_schema` writes the event's schema into template.yaml.

EventBridge's schema registry takes OpenAPI 3.0 and makes types for programs from it. The source is
events/schemas, which says more: a validator should use that.
"""

import json
import re
from typing import Any, Final

from codat_hub.product_events.domain.product_event import DETAIL_TYPE, SOURCE
from tools.samconfig import ROOT

type Json = dict[str, Any]

SCHEMA: Final = ROOT / "events/schemas/product_read_completed.v1.json"
_TEMPLATE: Final = ROOT / "template.yaml"
_CONTENT: Final = re.compile(r"(?m)^      Content: '(.*)'$")
# It would make the template longer and no type better.
_LEFT_OUT: Final = frozenset({"description"})
_TEXT: Final = {"type": "string"}
_ENVELOPE: Final = {
    "id": _TEXT,
    "version": _TEXT,
    "account": _TEXT,
    "region": _TEXT,
    "source": _TEXT,
    "detail-type": _TEXT,
    "time": {"type": "string", "format": "date-time"},
    "resources": {"type": "array", "items": _TEXT},
}


def generated() -> str:
    """Return the OpenAPI document as it should stand in the template."""
    schema = json.loads(SCHEMA.read_text())
    schemas = {name: _openapi(part) for name, part in schema["$defs"].items()}
    schemas[DETAIL_TYPE] = _openapi(schema)
    schemas["AWSEvent"] = {
        "type": "object",
        "required": [*_ENVELOPE, "detail"],
        "x-amazon-events-source": SOURCE,
        "x-amazon-events-detail-type": DETAIL_TYPE,
        "properties": {
            **_ENVELOPE,
            "replay-name": _TEXT,
            "detail": {"$ref": f"#/components/schemas/{DETAIL_TYPE}"},
        },
    }
    document = {
        "openapi": "3.0.0",
        "info": {"title": DETAIL_TYPE, "version": "1.0.0"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    return json.dumps(document, separators=(",", ":"))


def written() -> str:
    """Return the document that stands in the template."""
    (content,) = _CONTENT.findall(_TEMPLATE.read_text())
    return str(content)


def _openapi(part: Json) -> Json:
    """Return a part of the JSON Schema in OpenAPI 3.0."""
    match part:
        case {"$ref": str(reference)}:  # nothing may stand beside it
            made: Json = {"$ref": reference.replace("#/$defs/", "#/components/schemas/")}
        case {"oneOf": [{"type": "null"}, other]}:
            made = {"nullable": True, "allOf": [_openapi(other)]}
        case {"const": value}:
            made = {"type": "integer", "enum": [value]}
        case {"enum": values}:
            made = {"type": "string", "enum": values}
        case {"properties": properties, "required": required}:
            inner = {name: _openapi(value) for name, value in properties.items()}
            made = {"type": "object", "required": required, "properties": inner}
        case _:
            kept = {name: value for name, value in part.items() if name not in _LEFT_OUT}
            made = {
                name: _openapi(value) if isinstance(value, dict) else value
                for name, value in kept.items()
            }
    return made


def main() -> None:
    template = _TEMPLATE.read_text()
    _TEMPLATE.write_text(_CONTENT.sub(lambda _: f"      Content: '{generated()}'", template))
    print("wrote the event's schema into template.yaml")


if __name__ == "__main__":
    main()
