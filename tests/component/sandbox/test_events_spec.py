"""Every event the sandbox sends has the shape that Codat publishes."""

import json
from functools import cache

from jsonschema import Draft202012Validator

from tests.support import codat_spec
from tests.support.sandbox.worlds import Receiver, a_company, a_consumer, a_simulation, advance
from tools.sandbox.companies import companies, connections, products
from tools.sandbox.reads import data, reads
from tools.sandbox.requests import rate_limits
from tools.sandbox.webhooks import examples
from tools.sandbox.world.catalog import event_types
from tools.sandbox.world.seed import CUSTOM

pytestmark = codat_spec.needs_event_schema


@cache
def validator():
    """Return a validator of seven event families, each with a pattern of the event type."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(json.loads(codat_spec.EVENTS.read_text()), format_checker=checker)


def problems(event):
    return [
        f"{event['eventType']}: {error.message[:500]}" for error in validator().iter_errors(event)
    ]


def test_every_example_event_has_the_published_shape():
    simulation = a_simulation()
    custom = {"invoice-finance": ["invoices"], "cashflow-insights": ["payments"]}
    for event_type in event_types(list(custom)):
        payload = examples.payload(event_type, custom)
        event = json.loads(simulation.world.compose(event_type, payload, None).body)
        assert not problems(event)


def test_every_event_of_a_simulation_has_the_published_shape():
    receiver = Receiver()
    simulation = a_simulation(receiver, companies=10, failing_share=0.5, failure_seconds=60)
    world = simulation.world
    wanted = event_types(list(CUSTOM))
    a_consumer(simulation, *wanted)
    company = a_company(simulation, "invoice-finance", "lending")
    link = next(iter(company.connections.values()))
    products.assign(world, company, "cashflow-insights")
    data.refresh_all(world, company)
    advance(simulation, 3 * 86_400)
    connections.fail(world, company, connections.create(world, company, "bnkp"))
    for product in CUSTOM:
        products.refresh(world, company, product, {})
        reads.complete_now(world, company, product, {"payments": "FetchError"})
    connections.unlink(world, company, link, by_customer=True)
    connections.link(world, company, link)
    advance(simulation, 60)
    products.remove(world, company, "lending")
    rate_limits.leave(world, 0)
    companies.delete(world, company)
    advance(simulation, 86_400)
    found = [problem for event in receiver.events() for problem in problems(event)]
    assert not found
    happened = {event["eventType"] for event in receiver.events()}
    # The sandbox writes nothing to ledgers, and the first reads went well.
    never = (".write.", ".unsuccessful.initial")
    assert set(wanted) - happened == {
        event_type for event_type in wanted if any(part in event_type for part in never)
    }


def test_an_event_of_another_shape_is_found():
    event = {"id": "x", "eventType": "read.completed", "generatedDate": "", "payload": {}}
    assert problems(event)
