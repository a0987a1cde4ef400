"""One slot of refreshes end to end on the deployed local stack, a ticket for each company.

Companies and consents are written into the State table. From the slot on the hub does everything:
planner, dispatcher each minute, queue and worker; then the sandbox's webhooks are projected.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from math import ceil
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.rate_limiting.domain.pace import LIMIT
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import Ticket
from codat_hub.storage.state_table import StateTable
from tools.bench.own_stack import companies, most, own_stack
from tools.local.codat import codat_client
from tools.local.stack import Description, LocalStack, Options

PRODUCT: Final = "invoice-finance"
DATA_TYPES: Final = ("invoices", "payments", "customers")
_LINKED_OF_20: Final = 8  # seeded companies that have the product and are linked
_BUCKET: Final = 5  # seconds of each step in which the burst is shown
_POLL: Final = 3.0
_AT_ONCE: Final = 8
_REFRESH: Final = re.compile(r"/companies/([^/]+)/products/[^/]+/refresh")


@dataclass(frozen=True)
class Burst:
    """The result of one slot; `calls` has the time of every request of the hub to Codat."""

    slot: datetime
    tickets: list[Ticket]
    accepted: Counter[str]
    refused: Counter[int]
    calls: list[datetime]
    dead: int

    @property
    def once(self) -> int:
        return sum(self.accepted[ticket.company_id] == 1 for ticket in self.tickets)

    @property
    def busiest(self) -> int:
        """Return the highest number of calls in any 60 seconds."""
        return most(self.calls, timedelta(seconds=60))

    @property
    def shape(self) -> list[int]:
        """Return the number of calls in each five seconds, from the first call on."""
        first = self.calls[0]
        counts = Counter(int((at - first).total_seconds() // _BUCKET) for at in self.calls)
        return [counts[step] for step in range(max(counts) + 1)]

    @property
    def wrong(self) -> list[str]:
        """Return every expectation that did not hold."""
        held = {
            "every ticket is accepted, once": self.once == len(self.tickets),
            "every read has come back": all(
                ticket.status == "completed" for ticket in self.tickets
            ),
            "no other company was refreshed": sum(self.accepted.values()) == len(self.tickets),
            f"never over {LIMIT} calls in 60 s": self.busiest <= LIMIT,
            "no dead letters": self.dead == 0,
        }
        return [what for what, holds in held.items() if not holds]


def run(console: Console, count: int, seconds: float) -> int:
    """Run one slot of `count` companies; return the exit code."""
    seeded = 20 * ceil(count / _LINKED_OF_20)
    with own_stack(console, Options(companies=seeded)) as local:
        bench = Bench(local, local.described)
        company_ids = bench.seed(count)
        console.print(f"  {count} of the sandbox's {seeded} companies are in the State table")
        burst = bench.play(company_ids, seconds, lambda line: console.print(f"  {line}"))
    if burst.calls:
        _show(console, burst)
    for what in burst.wrong:
        console.print(f"[red]does not hold:[/] {what}")
    return bool(burst.wrong)


class Bench:
    def __init__(self, local: LocalStack, stack: Description) -> None:
        self.local = local
        self.stack = stack
        self.table = StateTable(local.emulator.client("dynamodb"), stack["state_table"])

    def seed(self, count: int) -> list[str]:
        """Write `count` linked companies with the product, and their consents, to the hub."""
        schedule = Schedule("cron(0 3 1 1 ? *)")  # far off, as the slot is started by hand
        product = Product(PRODUCT, ProductKind.CUSTOM, data_types=DATA_TYPES, schedule=schedule)
        registry = ProductStore(self.table)
        registry.replace([product], registry.read()[1], "bench")
        with self._codat() as codat:
            chosen = [company["id"] for company in companies(codat) if _may_be_read(company)][
                :count
            ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._know, chosen))
        return chosen

    def _know(self, company_id: str) -> None:
        now = datetime.now(UTC)
        link = Connection(Stamp(now, "bench"), "Linked", "gbol", "Accounting")
        company = Company(company_id, products=(PRODUCT,), connections={"ledger": link})
        CompanyStore(self.table).put(company, 0)
        consent = Consent(PRODUCT, now, "an owner", "1", DATA_TYPES)
        assigned = Assignment(company_id, PRODUCT, AssignmentStatus.ASSIGNED, now, "bench", consent)
        AssignmentStore(self.table).put(assigned, 0)

    def play(self, company_ids: list[str], seconds: float, say: Callable[[str], None]) -> Burst:
        """Start the slot, wait until every ticket is closed, then read the sandbox's log."""
        before = self._requests()[-1]["n"]
        slot = datetime.now(UTC)
        self._plan(slot)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            tickets = self._tickets(company_ids)
            counts = Counter(ticket.status.value for ticket in tickets)
            took = (datetime.now(UTC) - slot).total_seconds()
            say(f"{took:4.0f} s  {', '.join(f'{n} {name}' for name, n in counts.items())}")
            if len(tickets) == len(company_ids) == counts["completed"]:
                break
            time.sleep(_POLL)
        return self._burst(slot, self._tickets(company_ids), before)

    def _burst(self, slot: datetime, tickets: list[Ticket], before: int) -> Burst:
        requests = [request for request in self._requests() if request["n"] > before]
        accepted, refused = Counter[str](), Counter[int]()
        for request in requests:
            if (match := _REFRESH.search(request["path"])) is None:
                continue
            if request["status"] == 202 and not request["replayed"]:
                accepted[match[1]] += 1
            else:
                refused[request["status"] or 0] += 1
        calls = sorted(datetime.fromisoformat(request["time"]) for request in requests)
        return Burst(slot, tickets, accepted, refused, calls, self._dead())

    def _plan(self, slot: datetime) -> None:
        event = {"product": PRODUCT, "scheduled_time": slot.isoformat()}
        functions = self.local.emulator.client("lambda")
        answer = functions.invoke(
            FunctionName=self.stack["plan_refreshes"], Payload=json.dumps(event)
        )
        if "FunctionError" in answer:
            raise RuntimeError(f"the planner failed: {answer['Payload'].read()!r}")

    def _tickets(self, company_ids: list[str]) -> list[Ticket]:
        found: list[Ticket] = []
        for some in batched(company_ids, 100, strict=False):
            tickets = TicketStore(self.table).get_many(
                [(company_id, PRODUCT) for company_id in some]
            )
            found += [ticket for ticket, _ in tickets.values()]
        return found

    def _requests(self) -> list[dict[str, Any]]:
        """Return the requests to Codat's API, without those to /_sandbox."""
        with self._codat() as codat:
            found: list[dict[str, Any]] = codat.get("/_sandbox/requests").json()
        return found

    def _dead(self) -> int:
        answer = self.local.emulator.client("sqs").get_queue_attributes(
            QueueUrl=self.stack["refresh_dlq_url"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _codat(self) -> Any:
        about = {"url": self.stack["sandbox_url"], "api_key": self.stack["codat_api_key"]}
        return codat_client(about)


def _may_be_read(company: dict[str, Any]) -> bool:
    linked = any(connection["status"] == "Linked" for connection in company["dataConnections"])
    return PRODUCT in company["products"] and linked


def _show(console: Console, burst: Burst) -> None:
    calls, ended = burst.calls, Counter(ticket.status.value for ticket in burst.tickets)
    table = Table(title=f"{len(burst.tickets)} tickets of one slot on the deployed local stack")
    table.add_column("")
    table.add_column("", justify="right")
    rows = {
        "accepted once each, by the sandbox's log": f"{burst.once} of {len(burst.tickets)}",
        **{f"ended {status}": str(n) for status, n in sorted(ended.items())},
        **{f"answered {status}": str(n) for status, n in sorted(burst.refused.items())},
        "calls to Codat": str(len(calls)),
        "most calls in 60 s": str(burst.busiest),
        "most calls in one second": str(most(calls, timedelta(seconds=1))),
        "slot to first call, s": f"{(calls[0] - burst.slot).total_seconds():.0f}",
        "first to last call, s": f"{(calls[-1] - calls[0]).total_seconds():.0f}",
        "dead letters": str(burst.dead),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    console.print(f"calls in each {_BUCKET} s: {' '.join(map(str, burst.shape))}")
