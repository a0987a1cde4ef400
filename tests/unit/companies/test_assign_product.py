"""Adding a product: the intent, Codat's failures, the consent before and after the call."""

import pytest

from codat_hub.codat.errors import (
    Busy,
    Forbidden,
    NotFound,
    NotUnderstood,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    TryLater,
    Unauthorized,
    WrongClient,
)
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.usecases.assignment_context import UNDER_WAY
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Absent, Conflict
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.assigning import BY, COMPANY, LENDING, PRODUCT, World


@pytest.fixture
def world():
    return World()


def test_a_consented_product_is_added_with_the_callers_name(world):
    world.agree()
    assigned = world.add()
    assert world.held == {"product-a"}
    assert (assigned.status, assigned.changed_by) == (AssignmentStatus.ASSIGNED, BY)
    assert assigned.may_be_read(PRODUCT)
    writes = world.assignments.writes
    assert world.add() == assigned
    assert world.assignments.writes == writes
    assert world.codat.changes == [("add", COMPANY, "product-a")]


def test_the_intent_is_written_before_the_call(world):
    world.agree()
    seen = []
    world.codat.add_product = lambda *_: seen.append(world.status)
    world.add()
    assert seen == [AssignmentStatus.ADDING]


def test_a_product_that_codat_has_is_not_added_again(world):
    world.agree()
    world.held.add("product-a")
    assert world.add().status is AssignmentStatus.ASSIGNED
    assert world.codat.changes == []


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda world: None, "no consent is recorded"),
        (lambda world: world.agree(revoked=True), "the consent was revoked"),
        (lambda world: world.agree(data_types=("payments",)), "does not cover all"),
    ],
)
def test_without_a_covering_consent_nothing_is_called_or_written(world, prepare, says):
    prepare(world)
    with pytest.raises(Conflict, match=says) as refused:
        world.add()
    assert "invoices" in [problem.value for problem in refused.value.problems]
    assert world.codat.changes == []
    assert world.assignments.writes == 0


def test_a_product_without_data_types_of_its_own_needs_a_consent_too(world):
    with pytest.raises(Conflict, match="no consent is recorded"):
        world.add(LENDING)
    world.agree(LENDING)
    assert world.add(LENDING).status is AssignmentStatus.ASSIGNED


def test_an_unknown_product_or_company_is_absent(world):
    with pytest.raises(Absent, match="nothing"):
        world.add(Product("nothing", ProductKind.CUSTOM))
    world.agree()
    world.codat.held.clear()
    with pytest.raises(Absent, match="Codat has no company"):
        world.add()
    with pytest.raises(Absent, match="Codat has no company"):
        world.remove()


def test_with_another_clients_key_nothing_is_called_or_written(world):
    world.agree()
    world.client_fault = WrongClient("another client")
    for act in (world.add, world.remove):
        with pytest.raises(WrongClient):
            act()
    assert world.codat.changes == []
    assert world.assignments.writes == 0


def test_a_product_under_migration_is_left_alone(world):
    world.agree()
    world.migrations.held.add((COMPANY, "product-a"))
    for act in (world.add, world.remove):
        with pytest.raises(Conflict, match="migration"):
            act()
    assert world.codat.changes == []


@pytest.mark.parametrize(
    "failure",
    [
        Unauthorized("key", status=401),
        Forbidden("plan", status=403),
        NotFound("no such product", status=404),
        Permanent("bad", status=400),
        Busy("reading", status=400),
        RateLimited("quota", status=429),
        TryLater("key not read"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_refused_add_leaves_nothing_behind(world, failure):
    world.agree()
    world.codat.failures = [(failure, False)]
    with pytest.raises(type(failure)) as failed:
        world.add()
    assert not getattr(failed.value, "__notes__", ())
    assert world.status is AssignmentStatus.ABSENT
    assert world.add().status is AssignmentStatus.ASSIGNED


@pytest.mark.parametrize("happened", [True, False])
@pytest.mark.parametrize(
    "failure",
    [OutcomeUnknown("cut"), NotUnderstood("html", status=200), TryLater("sorry", status=503)],
    ids=lambda failure: type(failure).__name__,
)
def test_an_add_of_unknown_outcome_is_finished_by_repeating_it(world, failure, happened):
    world.agree()
    world.codat.failures = [(failure, happened)]
    with pytest.raises(type(failure)) as failed:
        world.add()
    assert "Whether it was added is not known" in failed.value.__notes__[-1]
    assert world.status is AssignmentStatus.ADDING
    assert world.add().status is AssignmentStatus.ASSIGNED
    assert world.held == {"product-a"}


def test_a_consent_revoked_while_codat_adds_is_undone(world):
    world.agree()
    add_product = world.codat.add_product

    def revoked_meanwhile(*arguments):
        add_product(*arguments)
        world.agree(revoked=True)  # and its caller died before the removal

    world.codat.add_product = revoked_meanwhile
    with pytest.raises(Conflict, match="revoked"):
        world.add()
    assert world.held == set()


def test_a_removal_while_codat_adds_wins(world):
    world.agree()
    add_product = world.codat.add_product

    def removed_meanwhile(*arguments):
        add_product(*arguments)
        assert world.remove().status is AssignmentStatus.REMOVING

    world.codat.add_product = removed_meanwhile
    with pytest.raises(Conflict, match="while it was being added"):
        world.add()
    assert world.held == set()
    world.now += UNDER_WAY
    assert world.remove().status is AssignmentStatus.ABSENT


def test_a_dead_callers_late_call_keeps_a_removal_open_after_another_call_added(world):
    world.agree()
    add_product, calls = world.codat.add_product, []

    def died_in_between(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt  # This caller is dead, its call still under way.
        with pytest.raises(KeyboardInterrupt):
            world.add()
        add_product(*arguments)

    world.codat.add_product = died_in_between
    assert world.add().status is AssignmentStatus.ASSIGNED
    assert world.remove().status is AssignmentStatus.REMOVING
    add_product(*calls[1])
    world.now += UNDER_WAY
    assert world.remove().status is AssignmentStatus.ABSENT
    assert world.held == set()


def test_a_fresh_removal_makes_an_add_wait(world):
    world.agree()
    RemoveProduct(world.context).stop(COMPANY, "product-a", BY, "why")
    with pytest.raises(Conflict, match="being removed"):
        world.add()
    world.now += UNDER_WAY
    assert world.add().status is AssignmentStatus.ASSIGNED
