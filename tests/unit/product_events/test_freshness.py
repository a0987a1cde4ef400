"""A product is overdue by its own cadence, and only if it can be read at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.product_events.domain.freshness import freshness, grace
from codat_hub.product_events.domain.read_event import ReadId, ReadKey
from codat_hub.product_events.domain.read_state import KeyState, ReadState
from codat_hub.products.domain.product import Product, ProductKind, Schedule

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NIGHTLY = Product(
    "p",
    ProductKind.CUSTOM,
    data_types=("invoices", "payments"),
    schedule=Schedule("cron(0 23 * * ? *)"),
)
HOURLY = replace(NIGHTLY, schedule=Schedule("rate(1 hour)"))
LINKED = Company("c", "Ann", connections={"k": Connection(Stamp(NOON, "e"), "Linked")})
CONSENT = Consent("p", NOON, "owner", "v1", ("invoices", "payments"))
ASSIGNED = Assignment(
    "c", "p", AssignmentStatus.ASSIGNED, NOON - timedelta(days=30), consent=CONSENT
)


def a_key(status="Complete", latest=NOON, watermark=NOON):
    mark = watermark and ReadId(watermark, "f")
    return KeyState(status, ReadId(latest, "f"), mark)


def read_at(moment, **keys):
    keys = {ReadKey(name, "k"): key for name, key in (keys or {"invoices": a_key()}).items()}
    return ReadState(keys, last_read_at=moment)


def measured(state, now, product=NIGHTLY, assignment=ASSIGNED, company=LINKED):
    return freshness(assignment, company, product, state, now)


LAST_NIGHT = NOON.replace(day=21, hour=23, minute=5)


def test_a_nightly_product_is_due_at_its_next_slot_and_overdue_half_a_day_after():
    state = read_at(LAST_NIGHT)
    assert measured(state, NOON).due_at == NOON.replace(hour=23)
    assert not measured(state, NOON.replace(day=23, hour=11)).overdue
    late = measured(state, NOON.replace(day=23, hour=11, minute=1))
    assert late.overdue_by == timedelta(hours=12, minutes=1)
    assert late.cadence == timedelta(days=1)


def test_a_product_never_read_is_due_after_its_assignment():
    never = measured(ReadState(), NOON)
    assert never.overdue
    assert never.due_at == ASSIGNED.changed_at.replace(hour=23)
    fresh = replace(ASSIGNED, changed_at=NOON - timedelta(minutes=30))
    assert not measured(ReadState(), NOON, HOURLY, fresh).overdue


@pytest.mark.parametrize(
    ("cadence", "late"),
    [
        (timedelta(minutes=15), timedelta(hours=1)),
        (timedelta(hours=6), timedelta(hours=3)),
        (timedelta(days=1), timedelta(hours=12)),
        (timedelta(days=7), timedelta(hours=14)),
    ],
)
def test_the_grace_is_half_the_cadence_from_one_hour_to_fourteen(cadence, late):
    assert grace(cadence) == late


@pytest.mark.parametrize(
    "changed",
    [
        {"company": replace(LINKED, connections={})},
        {"company": replace(LINKED, deleted_at=NOON)},
        {"assignment": replace(ASSIGNED, status=AssignmentStatus.STALE)},
        {"assignment": replace(ASSIGNED, consent=None)},
        {"assignment": replace(ASSIGNED, consent=replace(CONSENT, revoked_at=NOON))},
        {"assignment": replace(ASSIGNED, consent=replace(CONSENT, data_types=("invoices",)))},
        {"product": None},
        {"product": replace(NIGHTLY, schedule=None)},
        {"product": replace(NIGHTLY, schedule=Schedule("rate(1 hour)", enabled=False))},
        {"product": replace(NIGHTLY, schedule=Schedule("nonsense"))},
    ],
)
def test_a_product_that_cannot_be_read_is_never_overdue(changed):
    assert measured(ReadState(), NOON).overdue
    assert not measured(ReadState(), NOON, **changed).overdue


def test_outcomes_are_counted_and_failures_named():
    state = read_at(
        LAST_NIGHT,
        invoices=a_key(),
        payments=a_key("FetchError", watermark=None),
        customers=a_key("NotSupported"),
    )
    row = measured(state, NOON)
    assert row.outcomes == {"Complete": 1, "FetchError": 1, "NotSupported": 1}
    assert row.unsuccessful == ("payments",)
    assert row.watermark_at is None, "payments was never complete"


def test_the_watermark_is_as_old_as_the_oldest_of_its_data_types():
    older = NOON - timedelta(days=3)
    state = read_at(LAST_NIGHT, invoices=a_key(), payments=a_key(watermark=older))
    assert measured(state, NOON).watermark_at == older


def test_a_removed_connection_is_not_counted():
    state = ReadState({ReadKey("invoices", "old"): a_key(latest=NOON - timedelta(days=90))})
    gone = replace(LINKED, removed_connections={"old": NOON - timedelta(days=80)})
    assert measured(state, NOON, company=gone).outcomes == {}
