"""The example consumer, deployed beside the hub on the local stack."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.example_consumer.consumer.current import landed, newest
from tools.example_consumer.consumer.landing import HANDLED
from tools.local.emulator import Emulator
from tools.local.stack import LocalStack
from tools.samconfig import ROOT

type Json = dict[str, Any]


@dataclass(frozen=True)
class DeployedConsumer:
    """A consumer's stack; `outputs` are those of its template."""

    emulator: Emulator
    stack_name: str
    outputs: dict[str, str]

    @classmethod
    def deploy(cls, local: LocalStack, stack_name: str, **parameters: str) -> "DeployedConsumer":
        """Deploy the stack, and store the sandbox's key in its secret. Raises StepFailed."""
        described, emulator = local.described, local.emulator
        outputs = emulator.deploy(
            local.state / "logs" / f"{stack_name}.log",
            stack_name=stack_name,
            template=ROOT / "tools/example_consumer/template.yaml",
            overrides={
                "ProductBus": described["event_bus"],
                "CodatBaseUrl": described["sandbox_url"],
                "ReadsPerMinute": "600",
                **parameters,
            },
        )
        emulator.client("secretsmanager").put_secret_value(
            SecretId=outputs["CodatApiKey"], SecretString=described["codat_api_key"]
        )
        return cls(emulator, stack_name, outputs)

    def remove(self) -> None:
        self.emulator.client("cloudformation").delete_stack(StackName=self.stack_name)

    def handled(self) -> Iterator[Json]:
        """Yield every event whose records have landed."""
        s3, bucket = self.emulator.client("s3"), self.outputs["Records"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=HANDLED)
        for found in (found for page in pages for found in page.get("Contents", [])):
            yield json.load(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"])

    def current(self, product: str, company: str | None = None) -> dict[tuple[str, str], Json]:
        """Return the current records by company and data type, then by connection and id."""
        bucket = self.outputs["Records"]
        view: dict[tuple[str, str], Json] = {}
        lines = landed(self.emulator.client("s3"), bucket, product=product, company=company)
        for line in newest(lines):
            records = view.setdefault((line["company"], line["data_type"]), {})
            records[f"{line['connection']} {line['id']}"] = line["record"]
        return view

    def messages(self, queue: str) -> int:
        """Return how many messages of an output's queue wait, are delayed, or are at work."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "Delayed", "NotVisible")]
        answer = self.emulator.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)
