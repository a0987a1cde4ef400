"""The temporary rules and queues of tails, at EventBridge and SQS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.product_event import DETAIL_TYPE, SOURCE
from codat_hub.product_events.domain.tail import LASTS
from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

_TARGET: Final = "queue"
_AT_ONCE: Final = 10  # messages; SQS's limit
_WAIT: Final = 1  # seconds for a first message


class BusTails:
    """Rules and queues are called `{bus}-tail-{tail id}`. Every method raises Unavailable.

    events, sqs: boto3's clients
    """

    def __init__(self, events: Any, sqs: Any, bus_arn: str) -> None:
        self._events = events
        self._sqs = sqs
        self._bus = bus_arn.partition("event-bus/")[2]
        self._bus_arn = bus_arn

    def open(self, tail_id: str, product: str | None) -> None:
        """Make the queue, then the rule that sends the events to it; product None: of all."""
        name = self._name(tail_id)
        rule_arn = self._bus_arn.replace(":event-bus/", ":rule/") + f"/{name}"
        queue_arn = self._bus_arn.partition(":event-bus/")[0].replace(":events:", ":sqs:")
        queue_arn = f"{queue_arn}:{name}"
        pattern: dict[str, Any] = {"source": [SOURCE], "detail-type": [DETAIL_TYPE]}
        if product is not None:
            pattern["detail"] = {"product": [product]}
        with unavailable("the tail was not opened"):
            self._sqs.create_queue(QueueName=name, Attributes=_attributes(queue_arn, rule_arn))
            self._events.put_rule(
                Name=name,
                EventBusName=self._bus,
                EventPattern=json.dumps(pattern, ensure_ascii=False),
            )
            targets = [{"Id": _TARGET, "Arn": queue_arn}]
            answer = self._events.put_targets(Rule=name, EventBusName=self._bus, Targets=targets)
        if answer["FailedEntryCount"]:
            raise Unavailable(f"the tail was not opened: {answer['FailedEntries']}")

    def receive(self, tail_id: str) -> Sequence[dict[str, Any]] | None:
        """Take the next events, at most ten; None if there is no such tail any more."""
        with unavailable("the tail was not read"):
            try:
                url = self._sqs.get_queue_url(QueueName=self._name(tail_id))["QueueUrl"]
                answer = self._sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=_WAIT
                )
            except self._sqs.exceptions.QueueDoesNotExist:
                return None
            messages = answer.get("Messages", [])
            if messages:
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ]
                # One that is not deleted is shown twice, which does no harm.
                self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return [json.loads(message["Body"]) for message in messages]

    def close(self, tail_id: str) -> None:
        """Delete the rule and the queue, or what is there of them."""
        name = self._name(tail_id)
        with unavailable("the tail was not closed"):
            try:
                self._events.remove_targets(Rule=name, EventBusName=self._bus, Ids=[_TARGET])
                self._events.delete_rule(Name=name, EventBusName=self._bus)
            except self._events.exceptions.ResourceNotFoundException:
                pass  # it is gone, or it was never made
            try:
                url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
                self._sqs.delete_queue(QueueUrl=url)
            except self._sqs.exceptions.QueueDoesNotExist:
                pass

    def _name(self, tail_id: str) -> str:
        return f"{self._bus}-tail-{tail_id}"


def _attributes(queue_arn: str, rule_arn: str) -> dict[str, str]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
    }
    return {
        "MessageRetentionPeriod": str(int(LASTS.total_seconds())),
        "SqsManagedSseEnabled": "true",
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
