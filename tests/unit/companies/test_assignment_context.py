"""The checks that adding and removing share, and the copy of the consent."""

from dataclasses import replace

import pytest

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.usecases.assignment_context import Agreement, consent_missing
from codat_hub.errors import Absent, Conflict, Unavailable
from codat_hub.storage.update import TRIES
from tests.support.assigning import COMPANY, LENDING, PRODUCT, World


@pytest.fixture
def world():
    return World()


def overtaken(world, times):
    """Let another request write the assignment before each of the next writes."""
    put, left = world.assignments.put, [None] * times

    def put_after_another(assignment, version):
        if left:
            left.pop()
            current, now = world.assignments.get(COMPANY, "product-a")
            put(replace(current, changed_by=f"another, {len(left)} left"), now)
        return put(assignment, version)

    world.assignments.put = put_after_another


def test_a_registered_product_is_returned(world):
    assert world.context.registered("product-a") == PRODUCT


def test_an_unregistered_product_is_absent_and_the_message_names_the_command(world):
    with pytest.raises(Absent, match=r"'nothing' is registered. `tools/hub products list` shows"):
        world.context.registered("nothing")


def test_only_the_product_that_a_migration_works_on_is_refused(world):
    world.migrations.held.add((COMPANY, "product-a"))
    with pytest.raises(Conflict, match="`tools/hub migrations list` shows it"):
        world.context.refuse_during_migration(COMPANY, "product-a")
    world.context.refuse_during_migration(COMPANY, "product-b")
    world.context.refuse_during_migration("company-2", "product-a")


def test_a_company_that_codat_does_not_know_is_absent(world):
    world.held.add("product-a")
    assert world.context.products_at_codat(COMPANY) == ("product-a",)
    with pytest.raises(Absent, match="Codat has no company nobody"):
        world.context.products_at_codat("nobody")


def test_the_newest_consent_is_copied_to_the_assignment_once(world):
    world.agree(data_types=("invoices",))
    world.agree()
    copied = world.context.copy_consent(COMPANY, "product-a")
    assert copied.consent == world.ledger.newest(COMPANY, "product-a").consent
    assert copied.status is AssignmentStatus.ABSENT
    writes = world.assignments.writes
    assert world.context.copy_consent(COMPANY, "product-a") == copied
    assert world.assignments.writes == writes


def test_a_copy_keeps_the_change_of_another_request(world):
    world.agree()
    overtaken(world, 2)
    copied = world.context.copy_consent(COMPANY, "product-a")
    assert (copied.consent.active, copied.changed_by) == (True, "another, 0 left")


def test_a_copy_gives_up_when_others_keep_changing_the_assignment(world):
    world.agree()
    overtaken(world, TRIES)
    with pytest.raises(Unavailable, match="others keep changing this company's product"):
        world.context.copy_consent(COMPANY, "product-a")


def test_the_assignment_is_read_before_the_consent(world):
    """A revocation after the first read changes the version, so the write is refused."""
    world.agree()
    newest = world.ledger.newest

    def revoked_after_the_read(company_id, product):
        world.ledger.newest = newest
        entry = newest(company_id, product)
        world.agree(revoked=True)
        world.remove()
        return entry

    world.ledger.newest = revoked_after_the_read
    assert not world.context.copy_consent(COMPANY, "product-a").consent.active


@pytest.mark.parametrize(
    ("agree", "covers"),
    [
        (None, False),
        ({"revoked": True}, False),
        ({"data_types": ("invoices",)}, False),
        ({}, True),
    ],
)
def test_a_product_stands_by_its_newest_entry(world, agree, covers):
    if agree is not None:
        world.agree(**agree)
    assignment, version = world.assignments.get(COMPANY, "product-a")
    standing = Agreement(assignment, version, world.ledger.newest(COMPANY, "product-a"))
    assert standing.covers(PRODUCT) is covers


@pytest.mark.parametrize(
    ("agree", "why", "lacking"),
    [
        (None, "no consent is recorded", ["invoices", "payments"]),
        ({"revoked": True}, "the consent was revoked", ["invoices", "payments"]),
        ({"data_types": ("invoices",)}, "the consent does not cover all", ["payments"]),
    ],
)
def test_a_missing_consent_is_explained_with_the_command_that_records_one(
    world, agree, why, lacking
):
    if agree is not None:
        world.agree(**agree)
    error = consent_missing(COMPANY, PRODUCT, world.ledger.newest(COMPANY, "product-a"))
    assert f"is not on company {COMPANY}: {why}" in str(error)
    assert f"`tools/hub consents grant {COMPANY} product-a`" in str(error)
    assert [problem.value for problem in error.problems] == lacking


def test_a_product_without_data_types_lacks_the_consent_only():
    assert consent_missing(COMPANY, LENDING, None).problems == ()
