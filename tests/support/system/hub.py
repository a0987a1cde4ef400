"""The deployed hub, and a silent reporter for its stack."""

import contextlib
import json
from collections import Counter
from dataclasses import dataclass

import httpx

from tests.support.builders import signed_headers
from tools.local.codat import codat_client
from tools.local.stack import LocalStack


class Silent:
    """A reporter without output."""

    def step(self, what):
        return contextlib.nullcontext()

    def detail(self, text):
        return None


@dataclass(frozen=True)
class Hub:
    """The deployed hub as callers see it, by the contract of stack.json."""

    stack: LocalStack

    @property
    def described(self):
        return json.loads(self.stack.description.read_text())

    def client(self, service):
        return self.stack.emulator.client(service)

    def post(self, body, headers=None, url=None):
        """Deliver to the playground consumer, signed unless headers are given."""
        if headers is None:
            headers = self.headers(body)
        return httpx.post(
            url or self.described["webhook_url"], content=body, headers=headers, timeout=30
        )

    def headers(self, body, webhook_id="msg_system", **changes):
        return signed_headers(body, webhook_id, changes.pop("secret", self.secret), **changes)

    @property
    def secret(self):
        return self.described["webhook_secret"]

    @property
    def codat(self):
        return {"url": self.described["sandbox_url"], "api_key": self.described["codat_api_key"]}

    def linked_company(self, product, number):
        """Return the nth linked company with the product, so that each test has its own."""
        with codat_client(self.codat) as codat:
            companies = codat.get("/companies?pageSize=100").json()["results"]
        return [
            company["id"]
            for company in companies
            if product in company["products"]
            and any(link["status"] == "Linked" for link in company["dataConnections"])
        ][number]

    def send_example(self, consumer, event_type):
        """Let the sandbox send an example to one of its consumers; return the webhook-id."""
        with codat_client(self.codat) as codat:
            consumers = codat.get("/webhooks").json()["results"]
            (found,) = [c for c in consumers if c["url"].endswith(f"/{consumer}")]
            path = f"/_sandbox/webhooks/{found['id']}/example"
            answer = codat.post(path, json={"eventType": event_type})
            return answer.raise_for_status().json()["webhookId"]

    def attempts(self, webhook_id):
        """Return the statuses of the sandbox's attempts at a message."""
        with codat_client(self.codat) as codat:
            messages = codat.get("/_sandbox/deliveries").json()
        (message,) = [m for m in messages if m["webhookId"] == webhook_id]
        return [attempt["status"] for attempt in message["attempts"]]

    def item(self, webhook_id):
        """Return the inbox item, None if there is none."""
        key = {"webhook_id": {"S": webhook_id}}
        answer = self.client("dynamodb").get_item(
            TableName=self.described["inbox_table"], Key=key, ConsistentRead=True
        )
        return answer.get("Item")

    def count(self):
        pages = self.client("dynamodb").get_paginator("scan")
        name = self.described["inbox_table"]
        return sum(page["Count"] for page in pages.paginate(TableName=name, Select="COUNT"))

    def logged(self, log_group=None):
        """Return the function's structured log lines."""
        pages = self.client("logs").get_paginator("filter_log_events")
        group = log_group or self.described["receive_webhook_logs"]
        events = (e for page in pages.paginate(logGroupName=group) for e in page["events"])
        return [json.loads(e["message"]) for e in events if e["message"].startswith("{")]

    def outcomes(self):
        """Count the webhook metrics emitted so far."""
        lines = self.logged()
        names = (name for line in lines for name in line if name.startswith("webhook_"))
        return Counter(name for name in names if name != "webhook_id")
