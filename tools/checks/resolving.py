"""Resolves the intrinsic functions of the transformed template to what AWS would make of them.

Ids that AWS invents have their longest documented length, so that lengths are upper bounds.
"""

import re
from functools import cached_property
from typing import Any, Final

from tools.checks.transforming import transformed_of
from tools.template import TEMPLATE

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-2"

type Json = dict[str, Any]

PSEUDO: Final = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING: Final = object()
# type: (property with the name, if it may have one; the ARN after the service, or after all colons)
ARNS: Final = {
    "AWS::DynamoDB::Table": ("TableName", "dynamodb:{at}:table/{name}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:{at}:{name}"),
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager:{at}:secret:{name}-AbCdEf"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:{at}:function:{name}"),
    "AWS::Lambda::LayerVersion": ("LayerName", "lambda:{at}:layer:{name}:9999"),
    "AWS::Events::EventBus": ("Name", "events:{at}:event-bus/{name}"),
    "AWS::S3::Bucket": ("BucketName", "s3:::{name}"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "states:{at}:stateMachine:{name}"),
    "AWS::Scheduler::ScheduleGroup": ("Name", "scheduler:{at}:schedule-group/{name}"),
    "AWS::IAM::Role": ("RoleName", f"iam::{ACCOUNT}:role/{{name}}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", f"iam::{ACCOUNT}:policy/{{name}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{at}:log-group:{name}:*"),
}
REF_IS_THE_ARN: Final = {
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
    "AWS::Lambda::LayerVersion",
    "AWS::IAM::ManagedPolicy",
}


class Resolved:
    """The transformed template of one stack, with every value as AWS gets it."""

    def __init__(self, stack_name: str, **parameters: str) -> None:
        self.stack_name = stack_name
        self.parameters = {
            name: str(parameter.get("Default", ""))
            for name, parameter in TEMPLATE["Parameters"].items()
        } | parameters
        self._resources = transformed_of(TEMPLATE, **parameters)

    @cached_property
    def resources(self) -> Json:
        """Return the resources that this stack has, resolved."""
        return {
            name: {"Type": body["Type"], "Properties": self.value(body.get("Properties", {}))}
            for name, body in self._resources.items()
            if "Condition" not in body or self.condition(body["Condition"])
        }

    def of(self, kind: str) -> Json:
        """Return the resources of one type, their properties by logical id."""
        return {
            name: body["Properties"]
            for name, body in self.resources.items()
            if body["Type"] == kind
        }

    def condition(self, name: str) -> bool:
        return bool(self.value(TEMPLATE["Conditions"][name]))

    def value(self, value: Any) -> Any:  # noqa: PLR0911  # one line for each function of CloudFormation
        match value:
            case {"Ref": name}:
                return self.ref(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.attribute(name, attribute)
            case {"Fn::GetAtt": str(path)}:
                return self.attribute(*path.split(".", 1))
            case {"Fn::Sub": text}:
                return self.substituted(text)
            case {"Fn::If": [condition, then, otherwise]}:
                return self.value(then if self.condition(condition) else otherwise)
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(str, self.value(parts)))
            case {"Fn::Split": [separator, text]}:
                return self.value(text).split(separator)
            case {"Fn::Equals": [left, right]}:
                return str(self.value(left)) == str(self.value(right))
            case {"Fn::And": conditions}:
                return all(self.condition(each["Condition"]) for each in conditions)
            case {"Fn::Not": [condition]}:
                return not self.value(condition)
            case dict():
                resolved = {name: self.value(each) for name, each in value.items()}
                return {name: each for name, each in resolved.items() if each is not NOTHING}
            case list():
                return [each for each in map(self.value, value) if each is not NOTHING]
        return value

    def substituted(self, text: Any) -> str:
        text, given = (text, {}) if isinstance(text, str) else text

        def replaced(found: re.Match[str]) -> str:
            name = found[1]
            if name in given:
                return str(self.value(given[name]))
            owner, dot, attribute = name.partition(".")
            return str(self.attribute(owner, attribute) if dot else self.ref(name))

        return re.sub(r"\$\{([\w:.]+)\}", replaced, text)

    def ref(self, name: str) -> Any:  # noqa: PLR0911
        if name == "AWS::StackName":
            return self.stack_name
        if name == "AWS::NoValue":
            return NOTHING
        if name in PSEUDO or name in self.parameters:
            return PSEUDO.get(name, self.parameters.get(name))
        kind = self._resources[name]["Type"]
        if kind in REF_IS_THE_ARN:
            return self.arn(name)
        if kind == "AWS::Lambda::Alias":
            return f"{self.arn(self._function_of(name))}:live"
        if kind == "AWS::ApiGateway::RestApi":
            return "a1b2c3d4e5"
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.name(name)}"
        return self.name(name)

    def _function_of(self, alias: str) -> str:
        return str(self._resources[alias]["Properties"]["FunctionName"]["Ref"])

    def attribute(self, name: str, attribute: str) -> str:
        if attribute == "StreamArn":
            return f"{self.arn(name)}/stream/2026-01-01T00:00:00.000"
        if attribute in {"Arn", "Id"}:
            return self.arn(name)
        return self.name(name)  # QueueName, Name

    def arn(self, name: str) -> str:
        kind = self._resources[name]["Type"]
        if kind not in ARNS:
            return f"arn:aws:other:::{self.name(name)}"
        return "arn:aws:" + ARNS[kind][1].format(at=f"{REGION}:{ACCOUNT}", name=self.name(name))

    def name(self, name: str) -> str:
        """Return the physical name: the template's, or the longest that CloudFormation makes."""
        body = self._resources[name]
        attribute = ARNS.get(body["Type"], ("Name",))[0]
        named = body.get("Properties", {}).get(attribute)
        if named is not None:
            return str(self.value(named))
        longest = 64 - len("-0123456789AB")
        return f"{self.stack_name}-{name}"[:longest] + "-0123456789AB"
