"""Refreshes pass the deployed planner, dispatcher, queue, worker, sandbox and webhook.

The sandbox stands for Codat and its faults. The tests only shorten waits: they move the due time
of a ticket or a probe to now.
"""

import json
import re
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import LOST_AFTER, Ticket, TicketStatus
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.storage.state_table import StateTable
from tests.support.system.projection import function_of
from tests.support.waiting import eventually
from tools.local.codat import codat_client
from tools.local.emulator import STACK_NAME

PRODUCT = "invoice-finance"
DATA_TYPES = ("customers", "invoices", "payments")
NIGHTLY = Schedule("cron(0 23 * * ? *)", "Europe/London")
BUSY = {
    "statusCode": 400,
    "service": "DataManager",
    "error": "Data cannot be refreshed while a read operation is in progress.",
}
PERSON = "arn:aws:iam::000000000000:user/tester"


@dataclass(frozen=True)
class Fleet:
    """The deployed refreshes as a test sees them."""

    hub: object
    table: StateTable

    @property
    def tickets(self):
        return TicketStore(self.table)

    @property
    def limiters(self):
        return RateLimiterStore(self.table)

    def invoke(self, name, event=None):
        answer = self.hub.client("lambda").invoke(
            FunctionName=self.hub.described[name], Payload=json.dumps(event or {})
        )
        result = json.load(answer["Payload"])
        assert "FunctionError" not in answer, result
        return result

    def dispatch(self):
        return self.invoke("dispatch_refreshes")["sent"]

    def codat(self, method, path, body=None):
        with codat_client(self.hub.codat) as client:
            answer = client.request(method, path, json=body)
            return answer.raise_for_status().json() if answer.content else None

    def company(self):
        """Create a linked company with the product and a consent, without a running read."""
        name = f"refresh-{uuid.uuid4()}"
        company_id = self.codat("POST", "/companies", {"name": name})["id"]
        self.codat("PUT", f"/companies/{company_id}/products/{PRODUCT}")
        self.codat("POST", f"/_sandbox/companies/{company_id}/link", {"platformKey": "gbol"})
        consent = Consent(PRODUCT, datetime.now(UTC), "an owner", "1", DATA_TYPES)
        assignments = AssignmentStore(self.table)
        known, version = assignments.get(company_id, PRODUCT)
        assigned = replace(known, status=AssignmentStatus.ASSIGNED, consent=consent)
        assert assignments.put(assigned, version)
        return company_id

    def companies(self, count):
        found = [self.company() for _ in range(count)]
        directory = CompanyStore(self.table)
        for company_id in found:
            # created and connected may have the same time; the test needs linked companies
            stamp = Stamp(datetime.now(UTC) + timedelta(hours=1), "linked")
            link = Connection(stamp, "Linked", "gbol", "Accounting")
            eventually(lambda c=company_id, k=link: directory.put(*_linked(directory, c, k)))
        # events of the first reads would wake a ticket that must wait in a test
        states, products = ReadStateStore(self.table), (PRODUCT, None)
        for company_id, product in (
            pairs := [(company_id, p) for company_id in found for p in products]
        ):
            self.complete_reads(company_id, product)  # if it did not end by itself
        eventually(lambda: all(states.get(*pair)[0].last_read_at for pair in pairs))
        return found

    def complete_reads(self, company_id, product=PRODUCT):
        """End the running reads; return how many there were."""
        read = {"companyId": company_id, "productIdentifier": product}
        return self.codat("POST", "/_sandbox/reads/complete", read)["completed"]

    def open(self, *company_ids, **changes):
        """Open tickets that a person asked for, due now, without a schedule."""
        now = datetime.now(UTC)
        for company_id in company_ids:
            old, version = self.tickets.get(company_id, PRODUCT)
            ticket = Ticket(
                company_id,
                PRODUCT,
                opened_at=now,
                due_at=now,
                deadline=now + timedelta(hours=14),
                requested_by=PERSON,
                generation=old.generation if old else 0,
            )
            assert self.tickets.put(replace(ticket, **changes), version)

    def ticket(self, company_id):
        return self.tickets.get(company_id, PRODUCT)[0]

    def hurry(self, company_id):
        """End a ticket's backoff and dispatch."""
        ticket, version = self.tickets.get(company_id, PRODUCT)
        assert self.tickets.put(replace(ticket, due_at=datetime.now(UTC)), version)
        self.dispatch()

    def fault(self, company_id, **fault):
        self.codat("POST", "/_sandbox/faults", {"path": f"{company_id}.*/refresh", **fault})

    def calls(self, company_ids):
        """Return company id -> the statuses of its refresh calls, in order."""
        found = {company_id: [] for company_id in company_ids}
        for request in self.codat("GET", "/_sandbox/requests"):
            match = re.search(r"/companies/([^/]+)/products/[^/]+/refresh", request["path"])
            if match and match[1] in found:
                found[match[1]].append(request["status"])
        return found

    def until(self, company_id, *statuses):
        return eventually(
            lambda: ((t := self.ticket(company_id)).status in statuses and t) or None, seconds=90
        )

    def dead(self):
        return self._held("refresh_dlq_url", "ApproximateNumberOfMessages")

    def idle(self):
        """Wait until no worker has a message, as a new configuration would kill the worker."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        eventually(lambda: not self._held("refresh_queue_url", *names))

    def _held(self, queue, *names):
        answer = self.hub.client("sqs").get_queue_attributes(
            QueueUrl=self.hub.described[queue], AttributeNames=list(names)
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def counted(self):
        """Return metric -> how often the worker has counted it."""
        totals = Counter()
        for line in self.hub.logged(self.hub.described["refresh_product_logs"]):
            for name, value in line.items():
                if name.startswith("refresh_") and isinstance(value, list):
                    totals[name] += sum(value)
        return totals

    def close_breaker(self):
        limiter, version = self.limiters.get()
        self.limiters.put(replace(limiter, breaker=Breaker()), version)

    def probe_now(self):
        """Make the probe due now, as after five minutes or at the next quota."""
        limiter, version = self.limiters.get()
        breaker = replace(limiter.breaker, probe_at=datetime.now(UTC))
        assert self.limiters.put(replace(limiter, breaker=breaker), version)


def _linked(directory, company_id, link):
    company, version = directory.get(company_id)
    return replace(company, connections={"linked": link}), version


@pytest.fixture(scope="module")
def dispatched_by_hand(hub):
    """Stop the minute's schedule after its first run; from here the tests dispatch."""
    logs = f"/aws/lambda/{hub.described['dispatch_refreshes']}"
    eventually(lambda: hub.logged(logs), seconds=90)
    scheduler = hub.client("scheduler")
    held = scheduler.get_schedule(Name=f"{STACK_NAME}-dispatch")
    names = ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    schedule = {name: held[name] for name in names}
    scheduler.update_schedule(**schedule, State="DISABLED")
    yield
    scheduler.update_schedule(**schedule, State="ENABLED")


@pytest.fixture(scope="module")
def fleet(hub, dispatched_by_hand):
    table = StateTable(hub.client("dynamodb"), hub.described["state_table"])
    registry = ProductStore(table)
    known, version = registry.read()
    custom = Product(PRODUCT, ProductKind.CUSTOM, data_types=DATA_TYPES, schedule=NIGHTLY)
    registry.replace({**known, PRODUCT: custom}.values(), version, "tests")
    fleet = Fleet(hub, table)
    yield fleet
    registry.replace(known.values(), registry.read()[1], "tests")
    fleet.close_breaker()


def test_a_slot_goes_from_planner_to_completed_for_every_company(fleet):
    companies = fleet.companies(12)
    slot = datetime.now(UTC).isoformat()
    event = {"product": PRODUCT, "scheduled_time": slot}
    assert fleet.invoke("plan_refreshes", event)["opened"] >= len(companies)
    assert fleet.invoke("plan_refreshes", event)["opened"] == 0  # the scheduler may start it twice
    fleet.dispatch()
    for company_id in companies:
        ticket = fleet.until(company_id, TicketStatus.COMPLETED)
        assert ticket.slot == datetime.fromisoformat(slot)
    calls = fleet.calls(companies)
    assert {tuple(statuses) for statuses in calls.values()} == {(202,)}
    assert fleet.dead() == 0
    assert fleet.counted()["refresh_accepted"] >= len(companies)


def test_a_busy_company_is_woken_by_its_read_event_at_once(fleet):
    (company,) = fleet.companies(1)
    started = {"companyId": company, "productIdentifier": PRODUCT}
    fleet.codat("POST", "/_sandbox/reads/start", started)
    fleet.open(company)
    fleet.dispatch()
    busy = fleet.until(company, TicketStatus.BUSY)
    assert busy.failure.kind == "busy"
    far, version = fleet.tickets.get(company, PRODUCT)
    assert fleet.tickets.put(
        replace(far, due_at=far.deadline), version
    )  # only the event can wake it
    fleet.complete_reads(company)
    fleet.until(company, TicketStatus.COMPLETED)
    assert fleet.calls([company])[company] == [400, 202]


TAXONOMY = [
    ({"status": 400, "body": {"error": "doesn't support data refreshing"}}, "rejected", "failed"),
    ({"status": 403, "body": {"error": "no"}}, "forbidden", "failed"),
    ({"status": 404, "body": {"error": "gone"}}, "not_found", "failed"),
    ({"status": 503, "body": {"error": "oops"}}, "unavailable", "queued"),
    ({"status": 408, "body": {"error": "slow"}}, "unavailable", "queued"),
    ({"status": 409, "body": {"error": "in flight"}}, "outcome_unknown", "queued"),
    ({"reset": "before"}, "outcome_unknown", "queued"),
    ({"status": 400, "body": BUSY}, "busy", "busy"),
]


def test_each_kind_of_failure_ends_its_ticket_as_documented(fleet):
    """All fail at once: the failure of one company affects no other."""
    companies = dict(zip(fleet.companies(len(TAXONOMY)), TAXONOMY, strict=True))
    before = fleet.counted()
    for company, (fault, _, _) in companies.items():
        fleet.fault(company, **fault)
    fleet.open(*companies)
    fleet.dispatch()
    for company, (_, kind, status) in companies.items():
        ticket = eventually(lambda c=company: (t := fleet.ticket(c)).failure and t)
        assert (ticket.failure.kind, ticket.status) == (kind, TicketStatus(status)), kind
    assert {len(statuses) for statuses in fleet.calls(companies).values()} == {1}
    counts = eventually(
        lambda: (now := fleet.counted() - before)["refresh_asked"] >= len(TAXONOMY) and now
    )
    assert counts["refresh_failed"] == 3
    assert counts["refresh_unavailable"] == counts["refresh_outcome_unknown"] == 2
    assert counts["refresh_busy"] == 1
    # a retry is accepted: no kept answer of Codat is replayed to it
    # (except by the sandbox, which keeps an injected 409 as the key's answer)
    again = [
        company
        for company, (fault, _, status) in companies.items()
        if status != "failed" and fault.get("status") != 409
    ]
    for company in again:
        fleet.hurry(company)
    for company in again:
        fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    for company in companies:  # a retry of these would be the next test's first call
        CancelRefresh(fleet.tickets).cancel(company, PRODUCT, "the test is over")
    gone = next(company for company, (_, kind, _) in companies.items() if kind == "not_found")
    stale, _ = AssignmentStore(fleet.table).get(gone, PRODUCT)
    assert stale.status is AssignmentStatus.STALE
    assert fleet.dead() == 0


def test_a_timeout_after_codat_accepted_leads_to_no_second_refresh(fleet):
    (company,) = fleet.companies(1)
    fleet.fault(company, reset="after")
    fleet.open(company)
    fleet.dispatch()
    # the running read's end wakes it; the same key brings the first answer again
    fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    requests = fleet.codat("GET", "/_sandbox/requests")
    mine = [
        request
        for request in requests
        if company in request["path"] and "/refresh" in request["path"]
    ]
    assert len({request["idempotencyKey"] for request in mine}) == 1
    assert [request["replayed"] for request in mine] == [False, True]


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7200"},
        {"Retry-After": "Fri, 31 Dec 2099 23:59:59 GMT"},
        None,
    ],
    ids=["seconds", "date", "none"],
)
def test_a_429_stops_the_fleet_and_it_starts_again_by_itself(fleet, headers):
    first, second = fleet.companies(2)
    fault = {"status": 429, "body": {"error": "quota"}, "headers": headers or {"X-None": "1"}}
    fleet.fault(first, **fault)
    fleet.open(first)
    fleet.dispatch()
    eventually(lambda: fleet.limiters.get()[0].breaker.cause is Cause.RATE_LIMITED)
    fleet.open(second)
    assert fleet.dispatch() == 0
    limiter, _ = fleet.limiters.get()
    wait = limiter.breaker.probe_at - datetime.now(UTC)
    assert timedelta(0) < wait <= timedelta(hours=24)
    if headers == {"Retry-After": "7200"}:
        assert timedelta(minutes=50) < wait <= timedelta(hours=1)  # hourly, and at its end
    fleet.probe_now()
    for _ in range(2):  # first the probe, then the others
        fleet.dispatch()
        eventually(lambda: fleet.limiters.get()[0].breaker.cause is None)
    for company in (first, second):
        fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    assert fleet.calls([first, second]) == {first: [429, 202], second: [202]}


def test_a_wrong_key_stops_all_refreshes_until_it_is_corrected(fleet):
    companies = fleet.companies(3)
    for company in companies:
        fleet.fault(company, status=401, body={"error": "no such key"})
    fleet.open(companies[0])
    fleet.dispatch()
    eventually(lambda: fleet.limiters.get()[0].breaker.cause is Cause.UNAUTHORIZED)
    fleet.open(*companies[1:])
    assert fleet.dispatch() == 0
    assert sum(map(len, fleet.calls(companies).values())) == 1
    fleet.codat("DELETE", "/_sandbox/faults")
    fleet.probe_now()
    assert fleet.dispatch() == 1
    eventually(lambda: fleet.limiters.get()[0].breaker.cause is None)
    fleet.dispatch()
    for company in companies:
        fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)


def test_a_consent_revoked_while_the_ticket_waits_prevents_further_calls(fleet):
    (company,) = fleet.companies(1)
    fleet.open(company)
    assignments = AssignmentStore(fleet.table)
    assigned, version = assignments.get(company, PRODUCT)
    revoked = replace(assigned.consent, revoked_at=datetime.now(UTC))
    assert assignments.put(replace(assigned, consent=revoked), version)
    fleet.dispatch()
    assert fleet.until(company, TicketStatus.CANCELLED).failure.text
    assert fleet.calls([company])[company] == []


def test_without_access_to_the_api_key_all_refreshes_wait_until_it_is_back(fleet):
    (company,) = fleet.companies(1)
    worker = function_of(fleet.hub.described["refresh_product_logs"])
    fleet.idle()
    with fleet.hub.stack.emulator.denied(worker, "secretsmanager:GetSecretValue"):
        fleet.open(company)
        fleet.dispatch()
        eventually(lambda: fleet.limiters.get()[0].breaker.cause is Cause.UNAUTHORIZED)
        assert fleet.until(company, TicketStatus.QUEUED).failure.kind == "unauthorized"
        assert fleet.dispatch() == 0
        fleet.idle()
    fleet.probe_now()
    for _ in range(2):  # the probe may be another company's
        fleet.dispatch()
        eventually(lambda: fleet.limiters.get()[0].breaker.cause is None)
    fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    assert fleet.calls([company])[company] == [202]
    assert fleet.dead() == 0


def test_a_worker_that_may_not_write_makes_no_call_and_its_message_comes_again(fleet):
    (company,) = fleet.companies(1)
    worker = function_of(fleet.hub.described["refresh_product_logs"])
    fleet.idle()
    before = fleet.counted()["refresh_later"]
    sqs, queue = fleet.hub.client("sqs"), fleet.hub.described["refresh_queue_url"]
    # time for a cold start on a slow machine: after five receives it is a dead letter
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "20"})
    try:
        with fleet.hub.stack.emulator.denied(worker, "dynamodb:PutItem"):
            fleet.open(company)
            fleet.dispatch()
            eventually(lambda: fleet.counted()["refresh_later"] > before)
            sent = fleet.ticket(company)
            assert (sent.status, sent.attempts) == (TicketStatus.SENT, 0)
            assert fleet.calls([company])[company] == []
        # without help the same message is received again
        accepted = fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "100"})
    assert accepted.generation == sent.generation
    assert fleet.calls([company])[company] == [202]
    assert fleet.dead() == 0


def test_a_dispatcher_that_may_not_send_leaves_the_ticket_to_be_sent_again(fleet):
    (company,) = fleet.companies(1)
    name = fleet.hub.described["dispatch_refreshes"]
    with fleet.hub.stack.emulator.denied(name, "sqs:SendMessage"):
        fleet.open(company)
        answer = fleet.hub.client("lambda").invoke(FunctionName=name, Payload=b"{}")
        assert answer["FunctionError"]
        marked = fleet.ticket(company)
        assert (marked.status, marked.attempts) == (TicketStatus.SENT, 0)
        assert marked.due_at - datetime.now(UTC) <= LOST_AFTER + timedelta(minutes=1)
    fleet.hurry(company)  # as after the ten minutes in which its message could come
    fleet.until(company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED)
    assert fleet.calls([company])[company] == [202]
    assert fleet.dead() == 0


def test_a_failed_start_of_the_planner_is_kept(fleet):
    sqs, planner = fleet.hub.client("sqs"), fleet.hub.described["plan_refreshes"]
    notes = sqs.get_queue_url(QueueName=f"{STACK_NAME}-schedule-failures")["QueueUrl"]
    slot = {"product": PRODUCT, "scheduled_time": datetime.now(UTC).isoformat()}
    with fleet.hub.stack.emulator.denied(planner, "dynamodb:PutItem"):
        fleet.hub.client("lambda").invoke(
            FunctionName=planner,
            InvocationType="Event",  # as EventBridge Scheduler does
            Payload=json.dumps(slot),
        )
        found = eventually(lambda: sqs.receive_message(QueueUrl=notes).get("Messages"), seconds=120)
    sqs.purge_queue(QueueUrl=notes)
    assert [json.loads(message["Body"])["requestPayload"] for message in found] == [slot]


def test_only_messages_that_the_code_cannot_read_become_dead_letters(fleet):
    (company,) = fleet.companies(1)
    before = fleet.counted()["refresh_fault"]
    sqs, queue = fleet.hub.client("sqs"), fleet.hub.described["refresh_queue_url"]
    sqs.send_message(QueueUrl=queue, MessageBody="not a refresh")
    fleet.open(company)
    fleet.dispatch()
    fleet.until(
        company, TicketStatus.ACCEPTED, TicketStatus.COMPLETED
    )  # the other message is handled
    eventually(lambda: fleet.counted()["refresh_fault"] == before + 1)
    sqs.purge_queue(QueueUrl=queue)  # it would come again after 100 seconds
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        sqs.send_message(QueueUrl=queue, MessageBody="not a refresh either")
        eventually(lambda: fleet.dead() == 1, seconds=60)
        eventually(lambda: fleet.counted()["refresh_fault"] == before + 1 + 5)
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "100"})
        sqs.purge_queue(QueueUrl=fleet.hub.described["refresh_dlq_url"])
