"""Scene: two teams share payments at different paces, and both have complete data."""

import json
from typing import Any, Final

from tools.demo.hub import Hub, wait_until
from tools.demo.story import Scene, Story
from tools.example_consumer.consumer import Consumer
from tools.local.codat import codat_client

_DAILY: Final = "invoice-finance"
_HOURLY: Final = "cashflow-insights"
_HOURS: Final = 4


class Team:
    """A team: its product, a rule on the hub's bus, a queue, and the consumer that reads it."""

    def __init__(self, hub: Hub, product: str, consumer: Consumer) -> None:
        self.product = product
        self.consumer = consumer
        self.events: list[dict[str, Any]] = []
        self._sqs = hub.local.emulator.client("sqs")
        self._queue: str = self._sqs.create_queue(QueueName=f"team-{product}")["QueueUrl"]
        names = ["QueueArn"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=names)
        events, bus = hub.local.emulator.client("events"), hub.stack["event_bus"]
        pattern = {"source": ["codat-hub"], "detail": {"product": [product]}}
        rule = {"Name": f"team-{product}", "EventBusName": bus}
        events.put_rule(**rule, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": answer["Attributes"]["QueueArn"]}
        events.put_targets(Rule=rule["Name"], EventBusName=bus, Targets=[target])

    def receive(self, company: str) -> int:
        """Keep the company's events from the queue; return how many there are so far."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
            if detail["company_id"] == company:
                self.events.append(detail)
        return len(self.events)

    def act(self) -> None:
        for event in self.events:
            self.consumer.handle(event)  # type: ignore[arg-type]  # as the schema describes it

    def payments(self, company: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (owner, data_type, _), records in self.consumer.records.items():
            if (owner, data_type) == (company, "payments"):
                found |= records
        return found


def play(story: Story, hub: Hub) -> None:
    about = {"url": hub.stack["sandbox_url"], "api_key": hub.stack["codat_api_key"]}
    with (
        story.scene("two teams share payments, daily and hourly") as scene,
        codat_client(about) as codat,
    ):
        daily = Team(hub, _DAILY, Consumer(codat))
        hourly = Team(hub, _HOURLY, Consumer(codat))
        _run(scene, hub, daily, hourly)


def _run(scene: Scene, hub: Hub, daily: Team, hourly: Team) -> None:
    company = _shared_company(hub)
    _read(hub, company, daily)
    for _ in range(_HOURS):
        _read(hub, company, hourly)
    _read(hub, company, daily, hourly)
    last = max(daily.events, key=lambda event: event["occurred_at"])
    first = min(daily.events, key=lambda event: event["occurred_at"])
    (payments,) = (part for part in last["data_types"] if part["data_type"] == "payments")
    truth = Consumer(daily.consumer.codat)
    truth.handle({**last, "data_types": [payments | {"full_load": True}]})  # type: ignore[typeddict-item]
    (whole,) = truth.records.values()
    scene.stored = len(daily.events) + len(hourly.events)
    scene.expect("every read reaches its team once", scene.stored == 2 + _HOURS + 1)
    scene.expect(
        "the daily window goes back to the last daily read",
        payments["modified_from"] <= first["occurred_at"],
    )
    scene.expect("the daily team has every payment", daily.payments(company) == whole)
    scene.expect("the hourly team has every payment", hourly.payments(company) == whole)


def _read(hub: Hub, company: str, *teams: Team) -> None:
    """Let Codat read for these teams at once, then let each team act on its event."""
    before = {team.product: len(team.events) for team in teams}
    for call in ("start", "complete"):
        for team in teams:
            body = {"companyId": company, "productIdentifier": team.product}
            hub.codat("POST", f"/_sandbox/reads/{call}", body)
    for team in teams:
        known = before[team.product]
        wait_until(lambda: team.receive(company) > known)  # noqa: B023
    for team in teams:
        team.act()


def _shared_company(hub: Hub) -> str:
    """Find a company with both products and a linked ledger and bank."""
    for company in hub.codat("GET", "/companies?pageSize=100")["results"]:
        statuses = [connection["status"] for connection in company["dataConnections"]]
        if {_DAILY, _HOURLY} <= set(company["products"]) and statuses.count("Linked") > 1:
            return str(company["id"])
    raise LookupError("no company has both products")
