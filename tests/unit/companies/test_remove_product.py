"""Removing a product: the intent first, then the call, then the look at what Codat shows."""

import pytest

from codat_hub.codat.errors import NotFound, NotUnderstood, OutcomeUnknown, WrongClient
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.usecases.assignment_context import UNDER_WAY
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Absent, Conflict
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.assigning import BY, COMPANY, OTHER, PRODUCT, World


@pytest.fixture
def world():
    return World()


def finish(world, recorded="The removal"):
    return RemoveProduct(world.context).finish(COMPANY, "product-a", BY, "why", recorded)


def test_only_that_product_goes_and_its_refreshes_with_it(world):
    for product in (PRODUCT, OTHER):
        world.agree(product)
        world.add(product)
    assert world.remove().status is AssignmentStatus.ABSENT
    assert world.held == {"product-b"}
    assert world.refreshes.cancelled == [(COMPANY, "product-a", "no longer wanted")]


def test_a_product_that_is_gone_already_is_removed(world):
    world.agree()
    world.add()
    world.held.clear()
    assert world.remove().status is AssignmentStatus.ABSENT
    assert world.remove().status is AssignmentStatus.ABSENT


def test_a_company_that_is_gone_has_no_product(world):
    world.agree()
    world.add()
    world.codat.held.clear()
    assert world.remove().status is AssignmentStatus.ABSENT


def test_a_404_counts_only_when_codat_no_longer_shows_the_product(world):
    world.agree()
    world.add()
    world.codat.failures = [(NotFound("who knows", status=404), False)]
    with pytest.raises(NotUnderstood):
        world.remove()
    assert world.status is AssignmentStatus.REMOVING
    world.codat.failures = [(NotFound("just gone", status=404), True)]
    assert world.remove().status is AssignmentStatus.ABSENT


@pytest.mark.parametrize("happened", [True, False])
def test_a_failed_removal_stops_refreshes_and_is_finished_by_repeating(world, happened):
    world.agree()
    world.add()
    world.codat.failures = [(OutcomeUnknown("cut"), happened)]
    with pytest.raises(OutcomeUnknown) as failed:
        world.remove()
    assert failed.value.__notes__[-1].startswith("The removal is recorded, and no refresh")
    assigned, _ = world.assignments.get(COMPANY, "product-a")
    assert not assigned.may_be_read(PRODUCT)
    assert world.refreshes.cancelled
    assert world.remove().status is AssignmentStatus.ABSENT
    assert world.held == set()


def test_a_product_that_was_never_assigned_is_removed_if_codat_has_it(world):
    world.held.add("product-a")
    assert world.remove().status is AssignmentStatus.ABSENT
    assert world.held == set()


def test_an_unregistered_product_that_was_never_assigned_is_absent(world):
    with pytest.raises(Absent, match="No product 'nothing' is registered"):
        world.remove(Product("nothing", ProductKind.CUSTOM))
    assert world.assignments.writes == 0


def test_the_intent_is_written_and_refreshes_end_before_codat_is_called(world):
    world.agree()
    world.add()
    seen = []
    world.codat.remove_product = lambda *_: seen.append((world.status, world.refreshes.cancelled))
    world.remove()
    assert seen == [
        (AssignmentStatus.REMOVING, [(COMPANY, "product-a", "no longer wanted")]),
    ]


def test_a_removal_for_a_consent_that_ended_goes_on_during_a_migration(world):
    world.agree()
    world.add()
    world.migrations.held.add((COMPANY, "product-a"))
    with pytest.raises(Conflict, match="tools/hub migrations list"):
        world.remove()
    assert finish(world).status is AssignmentStatus.ABSENT


def test_with_another_clients_key_refreshes_stop_and_the_note_says_what_is_recorded(world):
    world.agree()
    world.add()
    world.client_fault = WrongClient("another client")
    with pytest.raises(WrongClient) as failed:
        finish(world, "The revocation")
    (note,) = failed.value.__notes__
    assert note.startswith("The revocation is recorded, and no refresh is asked for from now on.")
    assert world.status is AssignmentStatus.REMOVING
    assert world.held == {"product-a"}


def test_a_product_added_again_during_the_removal_stays_with_the_other_request(world):
    world.agree()
    world.add()
    remove_product = world.codat.remove_product

    def added_meanwhile(*arguments):
        remove_product(*arguments)
        world.now += UNDER_WAY
        world.add()

    world.codat.remove_product = added_meanwhile
    assert world.remove().status is AssignmentStatus.ASSIGNED
    assert world.held == {"product-a"}


@pytest.mark.parametrize(("seconds", "status"), [(-1, "removing"), (0, "absent")])
def test_a_removal_is_finished_once_no_call_that_adds_can_arrive(world, seconds, status):
    world.agree()
    world.codat.failures = [(OutcomeUnknown("cut"), False)]
    with pytest.raises(OutcomeUnknown):
        world.add()
    deadline = world.assignments.get(COMPANY, "product-a")[0].unsettled_until
    world.now += deadline - world.now + seconds * UNDER_WAY / 60
    assert world.remove().status == status


def test_the_assignment_keeps_a_copy_of_the_newest_consent(world):
    world.agree()
    world.add()
    world.agree(revoked=True)
    assert not world.remove().consent.active
