"""Assignments on moto come back as written, and are listed and counted by product."""

from dataclasses import replace

import pytest

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.storage.items import shard_of
from codat_hub.storage.state_table import StateTable
from tests.support.builders import COMPANY
from tests.support.histories import at
from tools.simulation.tables import create_table

ASSIGNED = Assignment(
    COMPANY,
    "a",
    AssignmentStatus.ASSIGNED,
    at(1),
    "arn:aws:iam::1:user/ann",
    Consent("a", at(0), "J. Doe", "v1", ("invoices",)),
    at(3),
)


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


def test_a_product_that_was_never_assigned_is_absent(table):
    assert AssignmentStore(table).get(COMPANY, "a") == (Assignment(COMPANY, "a"), 0)


def test_an_assignment_comes_back_as_it_was_written(table):
    kept = AssignmentStore(table)
    revoked = replace(ASSIGNED, consent=replace(ASSIGNED.consent, revoked_at=at(2)))
    assert kept.put(ASSIGNED, 0)
    assert not kept.put(revoked, 0)
    assert kept.put(revoked, 1)
    assert kept.get(COMPANY, "a") == (revoked, 2)
    assert kept.of_company(COMPANY) == [revoked]
    assert kept.get_many([(COMPANY, "a"), (COMPANY, "b")]) == {(COMPANY, "a"): revoked}


def test_companies_are_listed_by_product_until_it_is_removed(table):
    kept, shard = AssignmentStore(table), shard_of(COMPANY)
    kept.put(ASSIGNED, 0)
    kept.put(replace(ASSIGNED, product="b"), 0)
    assert kept.companies_with("a", shard) == [COMPANY]
    assert kept.companies_with("a", shard, after=COMPANY) == []
    kept.put(replace(ASSIGNED, status=AssignmentStatus.ABSENT), 1)
    assert kept.companies_with("a", shard) == []
    assert kept.companies_with("b", shard) == [COMPANY]


def test_the_companies_with_a_product_are_counted_over_all_shards(table):
    kept = AssignmentStore(table)
    for number in range(30):
        kept.put(replace(ASSIGNED, company_id=f"company-{number}"), 0)
    kept.put(replace(ASSIGNED, company_id="company-0", status=AssignmentStatus.ABSENT), 1)
    assert kept.count("a", 100) == 29
    assert kept.count("a", 29) == 29
    assert kept.count("a", 10) == 10
    assert kept.count("b", 10) == 0
