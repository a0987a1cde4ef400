"""The template as tests see it: read once, never retyped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


@dataclass(frozen=True)
class Function:
    logical_id: str
    properties: dict[str, Any]

    @property
    def module(self) -> str:
        """`receive_webhook` for codat_hub.handlers.receive_webhook.handler."""
        return self.properties["Handler"].split(".")[-2]

    @property
    def own_variables(self) -> dict[str, Any]:
        return self.properties.get("Environment", {}).get("Variables", {})


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the template's resources of one type by logical id."""
    return {name: body for name, body in RESOURCES.items() if body["Type"] == kind}


FUNCTIONS = [
    Function(name, body["Properties"])
    for name, body in resources("AWS::Serverless::Function").items()
]
