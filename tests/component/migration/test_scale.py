"""100,000 companies: the arithmetic of events and payloads, from the real definition."""

import json
import math
import sys
from dataclasses import asdict

from codat_hub.migration.domain.chunk import SIZE, Member, chunks_of
from codat_hub.migration.domain.run import MigrationRequest
from codat_hub.migration.usecases.context import Limits, StepResult
from codat_hub.migration.usecases.listing import PAGES_AT_ONCE
from codat_hub.webhooks.hub_address import HubAddress
from tests.support.migration.asl_walker import Walker
from tests.support.migration.world import DEFINITION, PRODUCTS

COMPANIES = 100_000
CHUNKS = math.ceil(COMPANIES / SIZE)
# Events that AWS writes for a state, counted generously; a Map's children have their own.
EVENTS = {"Task": 6, "Choice": 2, "Wait": 2, "Pass": 2, "Map": 8, "Succeed": 2, "Fail": 2}
LONGEST_HISTORY, LONGEST_PAYLOAD = 25_000, 256 * 1024
LIMITS = Limits(
    wait_scale=1, calls_a_second=5, hub=HubAddress("https://hub.example/webhooks/codat", "api")
)


def show(line):
    """Show the arithmetic in the output of `pytest -s`."""
    sys.stdout.write(f"{line}\n")


def stubbed(answers):
    """Walk the definition with these answers by step; the last answer repeats."""
    left = {step: list(given) for step, given in answers.items()}

    def invoke(payload):
        given = left.get(payload["step"], [{}])
        return {**asdict(StepResult()), **(given.pop(0) if len(given) > 1 else given[0])}

    walker = Walker(
        DEFINITION, invoke, lambda key: [], lambda seconds: None, lambda what, token: True
    )
    walker.run({"contract": 1, "entry": "start", "migration_id": "m-1", "epoch": 1})
    return walker.visited


def test_a_parents_history_stays_far_below_its_limit():
    listings = math.ceil(COMPANIES / 100 / PAGES_AT_ONCE)
    again = {"next": "again"}
    polls = math.ceil(LIMITS.quiet_for / LIMITS.quiet_poll)
    states = stubbed(
        {
            "plan": [again] * listings + [{}],
            "snapshot": [again] * listings + [{}],
            "find_late_companies": [again] * listings + [{}],
            "judge_quiet": [again] * polls + [{}],
            "judge_reads": [again] * polls + [{}],
            "disable_old_webhooks": [{"next": "ask"}] * 5 + [{}],
            "configure_new_webhooks": [{"next": "ask"}] * 5 + [{}],
            "compare_snapshot": [{"next": "differs"}] * 5 + [{}],
        }
    )
    events = sum(EVENTS[DEFINITION["States"][name]["Type"]] for name in states)
    show(f"parent: {len(states)} states, {events} events of {LONGEST_HISTORY}")
    assert states[-1] == "Migrated"
    assert events < LONGEST_HISTORY / 5


def test_a_childs_history_and_all_payloads_stay_far_below_theirs():
    # The chunk waits for the quota every day for two weeks.
    assert 14 * (EVENTS["Task"] * 7 + EVENTS["Choice"] + EVENTS["Wait"]) < LONGEST_HISTORY / 10
    products = tuple(f"a-product-with-a-long-name-{n}" for n in range(30))
    members = [Member(f"{n:036}", True, products) for n in range(SIZE)]
    (chunk,) = chunks_of("snapshot-9f86d081", members)
    item = {
        "name": chunk.name,
        "members": [asdict(member) for member in members],
    }
    children = json.dumps([{}] * CHUNKS)
    show(f"chunk {len(json.dumps(item))} B, {CHUNKS} children's output {len(children)} B")
    assert len(json.dumps(item)) < LONGEST_PAYLOAD / 4
    assert len(children) < LONGEST_PAYLOAD / 10


def test_a_request_with_the_most_ids_fits_into_its_ledger_item():
    request = MigrationRequest(PRODUCTS, company_ids=tuple(f"{n:036}" for n in range(1000)))
    assert len(json.dumps(request.company_ids)) < 400 * 1024 / 4
