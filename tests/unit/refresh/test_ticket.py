"""A ticket's way from its slot to its end, and which of its messages may call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.ticket import (
    LOST_AFTER,
    OPEN,
    SKEW,
    Failure,
    Ticket,
    TicketStatus,
    accepted,
    backed_off,
    called,
    closed,
    completed,
    expired,
    kept_back,
    longest_waiting,
    lost_its_turn,
    sent,
)

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
TICKET = Ticket("c1", "a", opened_at=NOW, due_at=NOW, deadline=NOW + 14 * HOUR)
KEY = HeldKey("key", NOW)
BUSY = Failure("busy", "in progress")


def test_each_message_is_of_a_new_generation_and_only_the_newest_may_call():
    first = sent(TICKET, NOW)
    second = sent(first, NOW)
    assert [first.generation, second.generation] == [1, 2]
    assert first.is_current(1)
    assert second.is_current(2)
    assert not second.is_current(1)
    assert not accepted(second, NOW).is_current(2)


def test_a_message_without_an_outcome_is_due_again_after_its_delay_and_ten_minutes():
    assert sent(TICKET, NOW, 30 * SECOND).due_at == NOW + 30 * SECOND + LOST_AFTER


def test_a_message_ends_what_the_ticket_waited_for():
    assert sent(replace(TICKET, waits_for=Waits.PACE), NOW).waits_for is None


def test_a_call_is_counted_and_leaves_with_its_key():
    ticket = called(called(TICKET, KEY, NOW), KEY, NOW + HOUR)
    assert (ticket.attempts, ticket.key, ticket.called_at) == (2, KEY, NOW + HOUR)


def test_an_accepted_ticket_forgets_its_key_and_its_failure():
    ticket = accepted(replace(TICKET, key=KEY, failure=BUSY, waits_for=Waits.LEASE), NOW)
    assert (ticket.status, ticket.accepted_at) == (TicketStatus.ACCEPTED, NOW)
    assert (ticket.key, ticket.failure, ticket.waits_for) == (None, None, None)
    assert not ticket.open


@given(st.timedeltas(timedelta(0), 28 * HOUR))
def test_no_wait_goes_past_the_deadline(wait):
    until = NOW + wait
    kept = kept_back(TICKET, Waits.PACE, until)
    backed = backed_off(TICKET, TicketStatus.BUSY, BUSY, None, until)
    assert kept.due_at == backed.due_at == min(until, TICKET.deadline)


def test_waiting_is_no_backoff_step_and_backing_off_is_one():
    assert kept_back(TICKET, Waits.LEASE, NOW).backoffs == 0
    waited = replace(TICKET, waits_for=Waits.PACE)
    backed = backed_off(waited, TicketStatus.BUSY, BUSY, KEY, NOW)
    assert (backed.status, backed.backoffs, backed.waits_for) == (TicketStatus.BUSY, 1, None)
    assert (backed.key, backed.failure) == (KEY, BUSY)


@pytest.mark.parametrize("status", TicketStatus)
def test_a_ticket_is_open_until_it_was_accepted_or_closed(status):
    assert replace(TICKET, status=status).open == (status in OPEN)
    assert len(OPEN) == 3


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"waits_for": Waits.RATE_LIMIT}, TicketStatus.RATE_LIMITED, None),
        ({"waits_for": Waits.RESERVE}, TicketStatus.RATE_LIMITED, None),
        ({"waits_for": Waits.PACE}, TicketStatus.RATE_LIMITED, None),
        ({"failure": Failure("rate_limited")}, TicketStatus.RATE_LIMITED, "rate_limited"),
        ({"status": TicketStatus.BUSY, "failure": BUSY}, TicketStatus.STILL_SYNCING, "busy"),
        ({"waits_for": Waits.LEASE}, TicketStatus.STILL_SYNCING, None),
        ({"status": TicketStatus.SENT, "failure": BUSY}, TicketStatus.STILL_SYNCING, "busy"),
        ({"waits_for": Waits.BREAKER}, TicketStatus.FAILED, "breaker_open"),
        ({}, TicketStatus.FAILED, "never_called"),
        ({"failure": Failure("unavailable")}, TicketStatus.FAILED, "unavailable"),
    ],
)
def test_at_its_deadline_a_ticket_is_closed_by_what_it_waited_for(changes, status, kind):
    ticket = expired(replace(TICKET, **changes), NOW)
    assert (ticket.status, ticket.failure and ticket.failure.kind) == (status, kind)


def test_a_ticket_that_was_never_sent_waited_for_what_blocks_all():
    assert expired(TICKET, NOW, Waits.RATE_LIMIT).status is TicketStatus.RATE_LIMITED
    assert expired(TICKET, NOW, Waits.BREAKER).failure == Failure("breaker_open")
    waiting = replace(TICKET, waits_for=Waits.LEASE)
    assert expired(waiting, NOW, Waits.BREAKER).status is TicketStatus.STILL_SYNCING


def test_a_closed_ticket_makes_no_more_calls():
    ticket = closed(replace(TICKET, key=KEY), TicketStatus.FAILED, BUSY, NOW + HOUR)
    assert (ticket.open, ticket.key, ticket.failure) == (False, None, BUSY)
    assert (ticket.due_at, ticket.waits_for) == (NOW + HOUR, None)


def test_statuses_are_words_of_items_and_answers_that_exist():
    assert " ".join(TicketStatus) == (
        "queued sent busy accepted completed still_syncing rate_limited failed cancelled"
    )


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"status": TicketStatus.SENT}, False),  # it has its turn still
        ({"status": TicketStatus.BUSY}, False),
        ({}, True),  # the next slot has replaced it
        ({"attempts": 1}, False),  # it was called, and waits for its next try
        ({"status": TicketStatus.CANCELLED}, True),
        ({"status": TicketStatus.FAILED}, True),
        ({"status": TicketStatus.ACCEPTED}, False),  # the end of its read wakes the next
        ({"status": TicketStatus.COMPLETED}, False),
    ],
)
def test_a_message_loses_its_turn_if_its_ticket_ends_without_a_call(changes, lost):
    ticket = replace(TICKET, generation=2, **changes)
    assert lost_its_turn(ticket, 2) is lost
    assert not lost_its_turn(ticket, 1)  # a newer message has the turn


@pytest.mark.parametrize(
    ("product", "at", "status"),
    [
        ("a", NOW, TicketStatus.COMPLETED),
        ("a", NOW - SKEW, TicketStatus.COMPLETED),  # two clocks
        ("a", NOW - SKEW - SECOND, TicketStatus.ACCEPTED),  # an earlier read
        ("b", NOW, TicketStatus.ACCEPTED),
        (None, NOW, TicketStatus.ACCEPTED),
    ],
)
def test_only_a_read_of_its_product_since_its_call_completes_it(product, at, status):
    ticket = accepted(called(TICKET, KEY, NOW), NOW)
    assert completed(ticket, product, at).status is status


@pytest.mark.parametrize("status", sorted(set(TicketStatus) - {TicketStatus.ACCEPTED}))
def test_a_read_completes_no_ticket_that_was_not_accepted(status):
    ticket = replace(called(TICKET, KEY, NOW), status=status)
    assert completed(ticket, "a", NOW) is ticket


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"status": TicketStatus.BUSY}, True),
        ({"waits_for": Waits.LEASE}, True),
        ({"failure": Failure("outcome_unknown")}, True),  # the read may show that it was accepted
        ({"failure": Failure("outcome_unknown"), "waits_for": Waits.PACE}, False),
        ({"failure": Failure("unavailable")}, False),
        ({"waits_for": Waits.PACE}, False),
        ({"status": TicketStatus.SENT, "waits_for": Waits.LEASE}, False),
        ({"status": TicketStatus.FAILED, "failure": Failure("outcome_unknown")}, False),
    ],
)
def test_the_end_of_a_read_is_awaited_by_what_it_may_let_go(changes, waits):
    assert replace(TICKET, **changes).awaits_a_read is waits


def test_the_oldest_waiting_ticket_has_waited_longest():
    waiting = replace(TICKET, status=TicketStatus.BUSY)
    younger = replace(waiting, product="b", opened_at=NOW + SECOND)
    older = replace(waiting, product=None, opened_at=NOW - SECOND)
    not_waiting = replace(TICKET, opened_at=NOW - HOUR)
    assert longest_waiting([younger, waiting, older, not_waiting]) is older
    assert longest_waiting([younger, waiting]) is waiting
    assert longest_waiting([not_waiting]) is None
