"""A message says which ticket to work on, in ids only."""

import json
from datetime import timedelta

import pytest

from codat_hub.refresh.adapters.refresh_queue import RefreshQueue, parsed
from codat_hub.refresh.domain.refresh_message import RefreshMessage


class Sqs:
    def __init__(self):
        self.entries = []

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803
        self.entries += Entries
        return {}


@pytest.mark.parametrize("product", ["a", None])
def test_the_worker_reads_what_the_dispatcher_sent(product):
    sqs = Sqs()
    RefreshQueue(sqs, "url").send([RefreshMessage("c1", product, 7, timedelta(seconds=59.9))])
    (entry,) = sqs.entries
    assert entry["DelaySeconds"] == 59
    assert set(json.loads(entry["MessageBody"])) == {"company_id", "product", "generation"}
    assert parsed(entry["MessageBody"]) == RefreshMessage("c1", product, 7)


@pytest.mark.parametrize("body", ["nonsense", "{}", '{"company_id": "c", "product": "p"}'])
def test_a_body_of_another_sender_is_refused(body):
    with pytest.raises((KeyError, ValueError)):
        parsed(body)
