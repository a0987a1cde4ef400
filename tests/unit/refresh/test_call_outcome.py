"""What each of Codat's answers means for the ticket."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import backoff
from codat_hub.refresh.domain.call_outcome import Then, after_call, row
from codat_hub.refresh.domain.ticket import Ticket, TicketStatus

NOW = datetime(2026, 7, 1, tzinfo=UTC)
KEY = HeldKey("key", NOW)
TICKET = Ticket(
    "c1",
    "a",
    opened_at=NOW,
    due_at=NOW,
    deadline=NOW + timedelta(hours=14),
    status=TicketStatus.SENT,
)
BACK_OFF = [errors.TryLater, errors.Busy, errors.OutcomeUnknown, errors.NotUnderstood]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (None, "accepted"),
        (errors.StillSyncing(), "busy"),  # a subclass of Busy
        (errors.KeyReused(), "key_reused"),  # before its base class Permanent
        (errors.Permanent(), "rejected"),
        (errors.CallFailed(), "rejected"),
    ],
)
def test_the_first_class_that_fits_decides(failure, kind):
    assert row(failure).kind == kind


def test_a_read_of_ours_may_follow_an_accepted_or_an_unknown_call_only():
    follows = [None, errors.OutcomeUnknown(), errors.NotUnderstood()]
    assert all(row(failure).read_follows for failure in follows)
    others = [errors.Busy(), errors.TryLater(), errors.RateLimited(), errors.Permanent()]
    assert not any(row(failure).read_follows for failure in others)


@pytest.mark.parametrize("failure", BACK_OFF)
def test_each_failure_in_a_row_doubles_the_longest_wait(failure):
    ticket = TICKET
    for step in range(1, 6):
        ticket = after_call(ticket, failure(), KEY, NOW, 1, announced=False)
        assert ticket.due_at == NOW + backoff.longest(step)
        assert (ticket.backoffs, ticket.key) == (step, KEY)


@pytest.mark.parametrize("failure", BACK_OFF)
def test_only_a_busy_ticket_that_an_event_wakes_skips_the_first_steps(failure):
    skipped = backoff.ANNOUNCED if failure is errors.Busy else 0
    ticket = after_call(TICKET, failure(), None, NOW, 1)
    assert ticket.due_at == NOW + backoff.longest(1 + skipped)


@pytest.mark.parametrize(
    ("failure", "waits_for"),
    [(errors.RateLimited(), Waits.RATE_LIMIT), (errors.Unauthorized(), Waits.BREAKER)],
)
def test_a_failure_of_all_calls_keeps_the_ticket_due_and_counts_no_step(failure, waits_for):
    ticket = after_call(TICKET, failure, KEY, NOW, 1)
    assert row(failure).then is Then.WAIT_FOR_ALL
    assert (ticket.status, ticket.due_at) == (TicketStatus.QUEUED, NOW)
    assert (ticket.waits_for, ticket.backoffs, ticket.key) == (waits_for, 0, KEY)


@pytest.mark.parametrize(
    "failure", [errors.Forbidden("plan", correlation_id="id-1"), errors.Permanent("no")]
)
def test_a_refusal_closes_the_ticket_with_codats_words(failure):
    ticket = after_call(TICKET, failure, KEY, NOW, 1)
    assert (ticket.status, ticket.key) == (TicketStatus.FAILED, None)
    assert ticket.failure.text == failure.error
    assert ticket.failure.correlation_id == failure.correlation_id


def test_by_client_level_settings_the_next_data_type_is_due_with_a_fresh_key():
    ticket = replace(TICKET, product=None, data_types=("invoices", "bills"), key=KEY)
    second = after_call(ticket, None, None, NOW, 0)
    assert (second.status, second.data_types) == (TicketStatus.QUEUED, ("bills",))
    assert (second.due_at, second.key) == (NOW, None)
    assert after_call(second, None, None, NOW, 0).status is TicketStatus.ACCEPTED


def test_a_product_is_one_call_whatever_its_data_types():
    ticket = replace(TICKET, data_types=("invoices", "bills"))
    assert after_call(ticket, None, None, NOW, 0).status is TicketStatus.ACCEPTED
