"""Scene: two teams share payments at different paces, and both have complete data."""

from dataclasses import dataclass
from typing import Any, Final

from tools.demo.hub import Hub, wait_until
from tools.demo.story import Scene, Story
from tools.local.consumer import DeployedConsumer

_DAILY: Final = "invoice-finance"
_HOURLY: Final = "cashflow-insights"
_HOURS: Final = 4


@dataclass(frozen=True)
class Team:
    """A team: its product, and the consumer that lands the product's records in a bucket."""

    product: str
    consumer: DeployedConsumer

    def events(self, company: str) -> list[dict[str, Any]]:
        """Return the company's events whose records have landed, the oldest first."""
        ours = (self.product, company)
        found = [e for e in self.consumer.handled() if (e["product"], e["company_id"]) == ours]
        return sorted(found, key=lambda event: str(event["occurred_at"]))

    def payments(self, company: str) -> list[dict[str, Any]]:
        view = self.consumer.current(self.product, company)
        return _by_id(view.get((company, "payments"), {}).values())


def play(story: Story, hub: Hub) -> DeployedConsumer:
    """Deploy the teams' consumer and play the scene; return the consumer, which runs on."""
    consumer = DeployedConsumer.deploy(hub.local, "teams-records")
    with story.scene("two teams share payments, daily and hourly") as scene:
        _run(scene, hub, Team(_DAILY, consumer), Team(_HOURLY, consumer))
    return consumer


def _run(scene: Scene, hub: Hub, daily: Team, hourly: Team) -> None:
    company = _shared_company(hub)
    _read(hub, company, daily)
    for _ in range(_HOURS):
        _read(hub, company, hourly)
    _read(hub, company, daily)
    scene.expect(
        "the daily team's bucket has every payment", daily.payments(company) == _all(hub, company)
    )
    _read(hub, company, hourly)
    scene.expect(
        "the hourly team's bucket has every payment", hourly.payments(company) == _all(hub, company)
    )
    first, *_, last = events = daily.events(company)
    (payments,) = (part for part in last["data_types"] if part["data_type"] == "payments")
    scene.stored = len(events) + len(hourly.events(company))
    scene.expect("every read reaches its team once", scene.stored == 2 + _HOURS + 1)
    scene.expect(
        "the daily window goes back to the last daily read",
        payments["modified_from"] <= first["occurred_at"],
    )


def _read(hub: Hub, company: str, team: Team) -> None:
    """Let Codat read for the team, and wait until the records have landed."""
    known = len(team.events(company))
    for call in ("start", "complete"):
        body = {"companyId": company, "productIdentifier": team.product}
        hub.codat("POST", f"/_sandbox/reads/{call}", body)
    wait_until(lambda: len(team.events(company)) > known)


def _all(hub: Hub, company: str) -> list[dict[str, Any]]:
    """Return Codat's payments of the company."""
    page = hub.codat("GET", f"/companies/{company}/data/payments?pageSize=2000")
    return _by_id(page["results"])


def _by_id(records: Any) -> list[dict[str, Any]]:
    return sorted(records, key=lambda record: str(record["id"]))


def _shared_company(hub: Hub) -> str:
    """Find a company with both products and a linked ledger and bank."""
    for company in hub.codat("GET", "/companies?pageSize=100")["results"]:
        statuses = [connection["status"] for connection in company["dataConnections"]]
        if {_DAILY, _HOURLY} <= set(company["products"]) and statuses.count("Linked") > 1:
            return str(company["id"])
    raise LookupError("no company has both products")
