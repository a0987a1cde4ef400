"""Sandbox worlds on a virtual clock for tests, and a receiver of their webhooks."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tools.sandbox.companies import companies, connections
from tools.sandbox.options import Options
from tools.sandbox.simulation import Simulation
from tools.sandbox.webhooks import consumers

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ALWAYS = 200


@dataclass
class Receiver:
    """A receiver that keeps every posting and answers it with the status `answer`."""

    answer: int | None = ALWAYS
    postings: list = field(default_factory=list)

    def __call__(self, posting, now):
        self.postings.append((now, posting))
        return self.answer

    def events(self, event_type=None):
        bodies = [json.loads(posting.body) for _, posting in self.postings]
        return [body for body in bodies if event_type in {None, body["eventType"]}]


def a_simulation(receiver=None, **options):
    """Return a simulation without companies or failures, with retries at Codat's own pace."""
    chosen = {"companies": 0, "failing_share": 0, "retry_scale": 1.0} | options
    return Simulation(Options(**chosen), START, receiver or Receiver())


def a_consumer(simulation, *event_types, **body):
    body = {"url": "https://hub.example/hook", "eventTypes": list(event_types)} | body
    return consumers.create(simulation.office.state, simulation.ids, body)


def a_company(simulation, *products, platform="gbol"):
    """Return a linked company whose first reads are over."""
    company = companies.create(simulation.world, {"name": "A", "products": list(products)})
    connection = connections.create(simulation.world, company, platform)
    connections.link(simulation.world, company, connection)
    advance(simulation, 60)
    return company


def advance(simulation, seconds):
    simulation.advance_to(simulation.now + timedelta(seconds=seconds))
