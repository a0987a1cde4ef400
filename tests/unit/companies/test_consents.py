"""A consent is recorded once, never changed, and acted on at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from codat_hub.codat.errors import OutcomeUnknown, WrongClient
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Company
from codat_hub.companies.domain.new_company import Grant
from codat_hub.companies.usecases.consents import RecordConsents
from codat_hub.errors import Absent, Conflict, Invalid
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.assigning import BY, COMPANY, LENDING, OTHER, PRODUCT, World
from tests.support.fakes import FakeCompanies, FakeProductRegistry

WIDE = Grant("J. Baker", "1", ("invoices", "payments"))
NARROW = Grant("J. Baker", "1", ("invoices",))


class Office(World):
    """A world with the consents of one known company."""

    def __post_init__(self):
        super().__post_init__()
        self.directory = FakeCompanies()
        self.directory.put(Company(COMPANY), 0)
        self.consents = RecordConsents(self.context, self.directory)

    def grant(self, grant=WIDE, product=PRODUCT, company=COMPANY):
        return self.consents.grant(company, product.identifier, grant, BY)

    def revoke(self, product=PRODUCT, reason="the loan is repaid"):
        return self.consents.revoke(COMPANY, product.identifier, reason, BY)


@pytest.fixture
def office():
    return Office()


def test_a_consent_is_recorded_once_and_copied_to_the_assignment(office):
    recorded = office.grant()
    assert office.grant().consent == recorded.consent
    (entry,) = office.consents.history(COMPANY)
    assert (entry.consent, entry.by, entry.reason) == (recorded.consent, BY, None)
    assert office.assignments.get(COMPANY, "product-a")[0].consent == recorded.consent


def test_a_new_consent_replaces_and_the_history_keeps_both(office):
    office.grant(NARROW)
    office.grant(WIDE)
    (newest,) = office.consents.of(COMPANY)
    assert newest.data_types == WIDE.data_types
    assert [entry.consent.data_types for entry in office.consents.history(COMPANY)] == [
        NARROW.data_types,
        WIDE.data_types,
    ]


def test_the_history_comes_in_pages(office):
    for grant in (NARROW, WIDE):
        office.grant(grant)
    (first,) = office.consents.history(COMPANY, limit=1)
    (second,) = office.consents.history(COMPANY, ("product-a", first.number))
    assert (first.number, second.number) == (1, 2)


def test_a_warning_names_uncovered_data_types_and_an_older_text(office):
    newer = Product(
        "product-a", ProductKind.CUSTOM, None, ("invoices", "bills"), consent_text_version="2"
    )
    office.context = replace(office.context, registry=FakeProductRegistry(newer))
    office.consents = RecordConsents(office.context, office.directory)
    assert office.grant(NARROW).warnings == (
        "It does not cover bills: product-a cannot be added.",
        "It is to text version 1; customers now see 2.",
    )


def test_an_invalid_grant_or_an_unknown_company_or_product_is_not_recorded(office):
    with pytest.raises(Invalid) as refused:
        office.grant(Grant(" ", "1", ("invoice",)))
    assert [problem.field for problem in refused.value.problems] == ["data_types", "granted_by"]
    with pytest.raises(Absent, match="is registered"):
        office.grant(product=Product("nothing", ProductKind.CUSTOM))
    with pytest.raises(Absent, match="Codat has no company"):
        office.grant(company="nobody")
    gone = Company("gone", deleted_at=datetime(2026, 6, 1, tzinfo=UTC))
    office.directory.put(gone, 0)
    with pytest.raises(Absent, match="deleted"):
        office.grant(company="gone")
    assert office.ledger.kept == {}


def test_a_company_whose_webhook_is_still_on_the_way_is_known_to_codat(office):
    office.codat.held["new"] = set()
    office.codat.names["new"] = "New"
    assert office.grant(company="new").consent.active


def test_revoking_removes_that_product_and_no_other(office):
    for product in (PRODUCT, OTHER):
        office.grant(product=product)
        office.add(product)
    revoked = office.revoke()
    assert revoked.assignment.status is AssignmentStatus.ABSENT
    assert office.held == {"product-b"}
    entry = office.ledger.newest(COMPANY, "product-a")
    assert (entry.reason, entry.by) == ("the loan is repaid", BY)
    assert revoked.consent == entry.consent
    assert office.ledger.newest(COMPANY, "product-b").consent.active
    assert office.refreshes.cancelled == [
        (COMPANY, "product-a", "consent revoked: the loan is repaid")
    ]


def test_revoking_again_changes_nothing(office):
    office.grant()
    first = office.revoke()
    assert office.revoke().consent == first.consent
    assert len(office.consents.history(COMPANY)) == 2


def test_the_same_consent_given_again_after_a_revocation_counts(office):
    office.grant()
    office.revoke()
    assert office.grant().consent.active
    assert [entry.number for entry in office.consents.history(COMPANY)] == [1, 2, 3]
    assert office.ledger.newest(COMPANY, "product-a").consent.active
    assert office.add().status is AssignmentStatus.ASSIGNED


@pytest.mark.parametrize(
    "other", [Grant("A. Cook", "1", WIDE.data_types), Grant("J. Baker", "2", WIDE.data_types)]
)
def test_a_consent_of_another_person_or_to_another_text_is_another(office, other):
    office.grant()
    office.add()
    office.grant(other)
    assert len(office.consents.history(COMPANY)) == 2
    assert office.held == {"product-a"}


def test_a_first_consent_does_not_replace_a_revoked_one(office):
    office.grant()
    office.revoke()
    again = office.consents.grant(COMPANY, "product-a", WIDE, BY, first_only=True)
    assert not again.consent.active
    assert len(office.consents.history(COMPANY)) == 2


@pytest.mark.parametrize("fault", ["codat", "client"])
def test_a_revocation_counts_at_once_although_codat_does_not_answer(office, fault):
    office.grant()
    office.add()
    if fault == "codat":
        office.codat.failures = [(OutcomeUnknown("cut"), False)]
    else:
        office.client_fault = WrongClient("another client")
    with pytest.raises((OutcomeUnknown, WrongClient)) as failed:
        office.revoke()
    (note,) = failed.value.__notes__
    assert note.startswith("The revocation is recorded, and no refresh is asked for from now on.")
    assignment, _ = office.assignments.get(COMPANY, "product-a")
    assert not assignment.may_be_read(PRODUCT)
    assert office.refreshes.cancelled
    assert not office.ledger.newest(COMPANY, "product-a").consent.active
    office.client_fault = None
    assert office.revoke().assignment.status is AssignmentStatus.ABSENT
    assert office.held == set()


def test_revoking_reaches_a_product_that_the_hub_never_assigned(office):
    office.grant()
    office.held.add("product-a")
    office.revoke()
    assert office.held == set()


def test_even_a_migration_does_not_keep_a_revoked_product(office):
    office.grant()
    office.add()
    office.migrations.held.add((COMPANY, "product-a"))
    assert office.revoke().assignment.status is AssignmentStatus.ABSENT


def test_a_revocation_needs_a_consent_and_a_reason(office):
    with pytest.raises(Absent, match="has no consent"):
        office.revoke()
    office.grant()
    for reason in ("", " ", "\n", "x" * 501):
        with pytest.raises(Invalid, match="reason") as refused:
            office.revoke(reason=reason)
        (problem,) = refused.value.problems
        assert (problem.field, problem.message) == ("reason", "say why it is revoked")
        assert problem.allowed == "1 to 500 printable characters"
    assert office.ledger.newest(COMPANY, "product-a").consent.active


def test_a_narrower_consent_is_refused_while_the_product_is_there(office):
    office.grant()
    office.add()
    with pytest.raises(
        Conflict, match=f"`tools/hub consents revoke {COMPANY} product-a`"
    ) as refused:
        office.grant(NARROW)
    (problem,) = refused.value.problems
    assert (problem.field, problem.value) == ("data_types", "payments")
    assert office.held == {"product-a"}


@pytest.fixture
def overtaken(office):
    """The product is added while the next consent is recorded."""
    office.grant()
    append = office.ledger.append

    def added_meanwhile(company, entry):
        office.ledger.append = append
        office.add()
        return append(company, entry)

    office.ledger.append = added_meanwhile
    return office


def test_a_narrower_consent_that_comes_while_the_product_is_added_removes_it(overtaken):
    overtaken.grant(NARROW)
    assert overtaken.held == set()


def test_a_removal_that_codat_does_not_answer_leaves_the_consent_recorded(overtaken):
    overtaken.codat.failures = [(None, True), (OutcomeUnknown("cut"), False)]
    with pytest.raises(OutcomeUnknown) as failed:
        overtaken.grant(NARROW)
    assert failed.value.__notes__[0].startswith("The consent is recorded, and no refresh")
    assert overtaken.consents.of(COMPANY)[0].data_types == NARROW.data_types


def test_a_standard_product_is_consented_and_revoked_like_any(office):
    office.grant(Grant("J. Baker", "1", ()), LENDING)
    office.add(LENDING)
    assert office.revoke(LENDING).assignment.status is AssignmentStatus.ABSENT
    with pytest.raises(Conflict, match="revoked"):
        office.add(LENDING)
