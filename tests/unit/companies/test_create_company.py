"""One company per request, however often it is sent and whatever Codat answers."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from codat_hub.codat.errors import Forbidden, OutcomeUnknown, RateLimited, TryLater, WrongClient
from codat_hub.companies.domain.company import Company
from codat_hub.companies.domain.new_company import Grant, NewCompany
from codat_hub.companies.usecases.assign_product import AssignProduct
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.consents import RecordConsents
from codat_hub.companies.usecases.create_company import CreateCompany
from codat_hub.errors import Conflict, Invalid, RequestReused
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.fakes import (
    FakeAssignments,
    FakeCodatCompanies,
    FakeCompanies,
    FakeCreations,
    FakeProductRegistry,
    FakeRefreshes,
)
from tools.simulation.fakes import FakeConsentLedger, FakeMigrations

PRODUCT = Product("product-a", ProductKind.CUSTOM, data_types=("invoices",))
OTHER = Product("product-b", ProductKind.CUSTOM, data_types=("bills",))
GRANT = Grant("J. Baker", "1", ("invoices",))
BAKERY = NewCompany("Harbour Lane Bakery", products=("product-a",), consents={"product-a": GRANT})


@dataclass
class World:
    now: datetime = datetime(2026, 7, 1, tzinfo=UTC)
    codat: FakeCodatCompanies = field(default_factory=FakeCodatCompanies)
    creations: FakeCreations = field(default_factory=FakeCreations)
    directory: FakeCompanies = field(default_factory=FakeCompanies)
    ledger: FakeConsentLedger = field(default_factory=FakeConsentLedger)
    registry: FakeProductRegistry = field(
        default_factory=lambda: FakeProductRegistry(PRODUCT, OTHER)
    )
    send_products: bool = False
    client_fault: Exception | None = None

    def __post_init__(self):
        self.keys = (f"key-{number}" for number in count(1))
        self.context = AssignmentContext(
            self.codat,
            FakeAssignments(),
            self.ledger,
            self.registry,
            self.check_client,
            FakeMigrations(),
            FakeRefreshes(),
            now=lambda: self.now,
        )
        self.consents = RecordConsents(self.context, self.directory)

    def check_client(self):
        if self.client_fault:
            raise self.client_fault

    def create(self, new=BAKERY, key="request"):
        create = CreateCompany(
            self.context,
            creations=self.creations,
            directory=self.directory,
            consents=self.consents,
            assign=AssignProduct(self.context),
            send_products=self.send_products,
            new_id=lambda: next(self.keys),
        )
        return create(new, key, "arn:ann")

    @property
    def keys_sent(self):
        return [change[2] for change in self.codat.changes if change[0] == "create"]


@pytest.fixture
def world():
    return World()


def test_a_company_is_created_consented_assigned_and_known(world):
    created = world.create()
    assert created.complete
    assert world.codat.held == {"company-1": {"product-a"}}
    assert world.ledger.newest("company-1", "product-a").by == "arn:ann"
    assert world.directory.get("company-1")[0].name == "Harbour Lane Bakery"


def test_the_same_request_again_is_the_same_company_and_answer(world):
    created = world.create()
    world.codat.changes.clear()
    assert world.create() == created
    assert world.codat.changes == []
    with pytest.raises(RequestReused):
        world.create(NewCompany("Another"))


def test_requests_without_a_key_are_companies_of_their_own(world):
    world.create(key=None)
    world.create(key=None)
    assert len(world.codat.held) == 2


def test_every_problem_is_reported_before_anything_is_sent(world):
    new = NewCompany("", products=("nope",), consents={"nope": GRANT})
    with pytest.raises(Invalid) as refused:
        world.create(new)
    assert [problem.field for problem in refused.value.problems] == ["name", "products", "consents"]
    world.client_fault = WrongClient("another client")
    with pytest.raises(WrongClient):
        world.create()
    assert world.codat.changes == []


@pytest.mark.parametrize("happened", [True, False])
def test_a_lost_answer_is_asked_for_with_the_same_key(world, happened):
    world.codat.failures = [(OutcomeUnknown("cut"), happened)]
    with pytest.raises(OutcomeUnknown):
        world.create()
    world.now += timedelta(minutes=30)
    assert world.create().complete
    assert set(world.keys_sent) == {"key-1"}
    assert len(world.codat.held) == 1


@pytest.mark.parametrize("happened", [True, False])
def test_once_the_key_is_forgotten_the_company_is_looked_for(world, happened):
    world.codat.failures = [(OutcomeUnknown("cut"), happened)]
    with pytest.raises(OutcomeUnknown):
        world.create()
    world.codat.answers.clear()  # Codat forgets after 90 minutes
    world.now += timedelta(hours=3)
    assert world.create().complete
    assert len(world.codat.held) == 1
    assert world.keys_sent == (["key-1"] if happened else ["key-1", "key-2"])


@pytest.mark.parametrize("happened", [True, False])
def test_after_a_5xx_the_company_is_looked_for_and_the_key_is_fresh(world, happened):
    world.codat.failures = [(TryLater("sorry", status=503), happened)]
    with pytest.raises(TryLater):
        world.create()
    world.codat.answers.clear()
    assert world.create().complete
    assert len(world.codat.held) == 1
    assert world.keys_sent == (["key-1"] if happened else ["key-1", "key-2"])


def test_two_companies_of_the_name_are_left_to_a_person(world):
    for number in (1, 2):
        world.codat.held[f"twin-{number}"] = set()
        world.codat.names[f"twin-{number}"] = BAKERY.name
    world.codat.failures = [(TryLater("sorry", status=500), False)]
    with pytest.raises(TryLater):
        world.create()
    with pytest.raises(Conflict, match=r"twin-1, twin-2"):
        world.create()


def test_a_quota_answer_is_repeated_with_the_same_key(world):
    world.codat.failures = [(RateLimited("quota", status=429), False)]
    with pytest.raises(RateLimited):
        world.create()
    world.create()
    assert world.keys_sent == ["key-1", "key-1"]


def test_partial_failure_is_reported_per_product_and_finished_by_repeating(world):
    new = NewCompany("B", products=("product-a", "product-b"), consents={"product-a": GRANT})
    world.codat.failures = [(None, True), (Forbidden("plan", status=403), False)]
    partial = world.create(new)
    assert not partial.complete
    assert [(outcome.product, outcome.status) for outcome in partial.products] == [
        ("product-a", "failed"),
        ("product-b", "refused"),
    ]
    assert "no consent is recorded" in partial.products[1].detail
    company = partial.company.company_id
    world.consents.grant(company, "product-b", Grant("J. Baker", "1", ("bills",)), "arn:ann")
    done = world.create(new)
    assert done.complete
    assert done.company == partial.company
    assert world.codat.held == {company: {"product-a", "product-b"}}


def test_a_crash_between_creation_and_products_is_finished_by_repeating(world):
    company, world.codat.company = world.codat.company, None  # dies at its next use
    with pytest.raises(TypeError):
        world.create()
    world.codat.company = company
    assert world.create().complete
    assert len(world.codat.held) == 1


def test_only_consented_products_go_with_the_creation_when_it_sends_products():
    world = World(send_products=True)
    new = NewCompany("B", products=("product-a", "product-b"), consents={"product-a": GRANT})
    created = world.create(new)
    assert [outcome.status for outcome in created.products] == ["assigned", "refused"]
    assert [change[0] for change in world.codat.changes] == ["create"]
    assert world.codat.held == {"company-1": {"product-a"}}


def test_a_product_that_codat_did_not_take_with_the_creation_is_added_afterwards():
    world = World(send_products=True)
    create = world.codat.create
    world.codat.create = lambda new, _products, key: create(new, (), key)
    assert world.create().complete
    assert world.codat.changes[-1] == ("add", "company-1", "product-a")


def test_the_directory_keeps_what_it_knows_already(world):
    world.directory.put(Company("company-1", name="Codat's own"), 0)
    world.create()
    assert world.directory.get("company-1")[0].name == "Codat's own"


def test_of_two_requests_at_once_with_one_key_the_second_is_asked_to_repeat(world):
    world.create()
    world.creations.get = lambda key: (None, 0)  # It read before the first was stored.
    with pytest.raises(Conflict, match="The same request is under way"):
        world.create()
    assert len(world.codat.held) == 1


def test_an_entry_that_the_webhook_made_meanwhile_is_kept(world):
    get = world.directory.get

    def entered_after_the_read(company_id):
        entry = get(company_id)
        world.directory.put(Company(company_id, name="Codat's own"), 0)
        return entry

    world.directory.get = entered_after_the_read
    assert world.create().complete
    assert get("company-1")[0].name == "Codat's own"


def unfinished(world):
    """Create a company whose request is not complete, as one product has no consent."""
    new = replace(BAKERY, products=("product-a", "product-b"))
    created = world.create(new)
    assert [known.status for known in created.products] == ["assigned", "refused"]
    return new, created.company.company_id


def test_a_repeat_with_the_same_key_never_grants_a_revoked_consent_again(world):
    new, company_id = unfinished(world)
    world.consents.revoke(company_id, "product-a", "the customer asked", "arn:bob")

    again = world.create(new)

    assert [known.status for known in again.products] == ["refused", "refused"]
    assert "revoked" in again.products[0].detail
    newest = world.ledger.newest(company_id, "product-a")
    assert (newest.number, newest.consent.active) == (2, False)
    assert "product-a" not in world.codat.company(company_id).products


def test_a_repeat_does_not_replace_a_consent_that_was_recorded_since(world):
    new, company_id = unfinished(world)
    newer = Grant("J. Baker", "2", ("invoices", "bills"))
    world.consents.grant(company_id, "product-a", newer, "arn:bob")
    world.create(new)
    assert world.ledger.newest(company_id, "product-a").consent.text_version == "2"


def test_a_revocation_during_the_repeat_is_kept(world):
    new, company_id = unfinished(world)
    newest, revoked = world.ledger.newest, []

    def and_then_it_is_revoked(*pair):
        found = newest(*pair)
        if pair == (company_id, "product-a") and not revoked:
            revoked.append(True)
            world.consents.revoke(*pair, "the customer asked", "arn:bob")
        return found

    world.ledger.newest = and_then_it_is_revoked
    world.create(new)
    world.ledger.newest = newest
    assert not newest(company_id, "product-a").consent.active


def test_a_crash_before_the_consents_are_recorded_is_finished_by_repeating(world):
    append = world.ledger.append
    world.ledger.append = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        world.create()
    world.ledger.append = append
    assert world.create().complete
