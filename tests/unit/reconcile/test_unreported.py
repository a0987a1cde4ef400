"""A successful read at Codat is missing once no webhook can be on its way any more."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.data_types import IN_PROGRESS
from codat_hub.product_events.domain.read_event import ReadKey
from codat_hub.product_events.domain.read_state import SAME_READ_WITHIN, KeyState, ReadId, ReadState
from codat_hub.reconcile.domain.observed import ObservedStatus
from codat_hub.reconcile.domain.unreported import unreported

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(hours=5)
LAST_NIGHT = NOON.replace(day=21, hour=23, minute=5)


def at_codat(at, status="Complete"):
    return {"invoices": ObservedStatus(status, at)}


def reported(watermark, status="Complete", latest=NOON):
    """Return the state of a product whose last successful read a webhook reported."""
    mark = watermark and ReadId(watermark, "f")
    key = KeyState(status, ReadId(latest, "f"), mark)
    return ReadState({ReadKey("invoices", "k"): key}, last_read_at=watermark)


def test_a_read_that_no_webhook_reported_is_named_with_its_time():
    assert unreported(at_codat(EARLIER), [reported(LAST_NIGHT)], NOON) == {"invoices": EARLIER}
    assert unreported(at_codat(EARLIER), [], NOON) == {"invoices": EARLIER}


def test_a_webhook_of_another_product_reports_the_read_too():
    assert unreported(at_codat(EARLIER), [reported(LAST_NIGHT), reported(EARLIER)], NOON) == {}


def test_a_later_failure_does_not_hide_the_success_before_it():
    failed = reported(LAST_NIGHT, "FetchError")
    assert unreported(at_codat(EARLIER), [failed], NOON) == {"invoices": EARLIER}


def test_a_read_shortly_after_a_reported_one_is_the_same_read():
    same = LAST_NIGHT + SAME_READ_WITHIN
    assert unreported(at_codat(same), [reported(LAST_NIGHT)], NOON) == {}
    another = same + timedelta(seconds=1)
    assert unreported(at_codat(another), [reported(LAST_NIGHT)], NOON) == {"invoices": another}


def test_a_webhook_that_may_be_on_its_way_is_waited_for():
    assert unreported(at_codat(NOON - timedelta(minutes=59)), [], NOON) == {}
    late = NOON - timedelta(hours=1)
    assert unreported(at_codat(late), [], NOON) == {"invoices": late}


@pytest.mark.parametrize("status", IN_PROGRESS)
def test_while_a_read_is_in_progress_only_older_successes_than_any_read_count(status):
    statuses = at_codat(EARLIER) | {"payments": ObservedStatus(status, None)}
    assert unreported(statuses, [], NOON) == {}
    old = NOON - timedelta(hours=14)
    statuses = at_codat(old) | {"payments": ObservedStatus(status, None)}
    assert unreported(statuses, [], NOON) == {"invoices": old}


def test_a_data_type_that_was_never_synced_is_not_missing():
    assert unreported({"items": ObservedStatus(None, None)}, [], NOON) == {}
