"""template.yaml for tests and benchmarks, which read it and never copy it."""

from dataclasses import dataclass
from typing import Any

import yaml
from samtranslator.yaml_helper import yaml_parse

from tools.samconfig import ROOT

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


@dataclass(frozen=True)
class Function:
    logical_id: str
    properties: dict[str, Any]

    @property
    def module(self) -> str:
        """Return `receive_webhook` for codat_hub.handlers.receive_webhook.handler."""
        handler: str = self.properties["Handler"]
        return handler.split(".")[-2]

    @property
    def own_variables(self) -> dict[str, Any]:
        variables: dict[str, Any] = self.properties.get("Environment", {}).get("Variables", {})
        return variables


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the template's resources of one type by logical id."""
    return {name: body for name, body in RESOURCES.items() if body["Type"] == kind}


FUNCTIONS = [
    Function(name, body["Properties"])
    for name, body in resources("AWS::Serverless::Function").items()
]


def as_yaml(template: dict[str, Any]) -> str:
    """Return a template as YAML. The short forms of functions have become long ones."""
    return yaml.dump(template, Dumper=_Plain, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """Writes what SAM's reader made of a template: its own dicts, and no aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


_Plain.add_multi_representer(dict, lambda dumper, data: dumper.represent_dict(data.items()))
