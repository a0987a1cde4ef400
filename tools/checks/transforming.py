"""What SAM makes of the template: the resources that CloudFormation gets."""

import copy
import os
from functools import cache
from typing import Any, Final
from unittest import mock

from samtranslator.translator.transform import transform

from tools.template import TEMPLATE

PACKAGED: Final = {
    "AWS::Serverless::LayerVersion": ("ContentUri", "s3://packaged/layer"),
    "AWS::Serverless::StateMachine": ("DefinitionUri", "s3://packaged/definition"),
}


class NoManagedPolicies:
    """SAM asks AWS for the names of managed policies; the template uses none by name."""

    def load(self) -> dict[str, str]:
        return {}


def transformed_of(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the resources that SAM makes of this template; `parameters` replace defaults."""
    template = copy.deepcopy(template)
    template["Globals"]["Function"]["CodeUri"] = "s3://packaged/functions"
    for body in template["Resources"].values():
        if packaged := PACKAGED.get(body["Type"]):
            name, uri = packaged
            body["Properties"][name] = uri
    values = {"Environment": "prod"} | parameters
    for name, parameter in template["Parameters"].items():
        values.setdefault(name, str(parameter.get("Default", "")))
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION="eu-west-2"):
        resources: dict[str, Any] = transform(template, values, NoManagedPolicies())["Resources"]
    return resources


@cache
def transformed() -> dict[str, Any]:
    """Return the resources that SAM makes of template.yaml with its defaults."""
    return transformed_of(TEMPLATE)
