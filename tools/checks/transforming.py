"""What SAM makes of the template: the resources that CloudFormation gets."""

import copy
import os
from functools import cache
from unittest import mock

from samtranslator.translator.transform import transform

from tools.template import TEMPLATE

PACKAGED = {
    "AWS::Serverless::LayerVersion": ("ContentUri", "s3://packaged/layer"),
    "AWS::Serverless::StateMachine": ("DefinitionUri", "s3://packaged/definition"),
}


class NoManagedPolicies:
    def load(self):
        return {}


def transformed_of(template, **parameters):
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
        return transform(template, values, NoManagedPolicies())["Resources"]


@cache
def transformed():
    """Return the resources that SAM makes of template.yaml with its defaults."""
    return transformed_of(TEMPLATE)
