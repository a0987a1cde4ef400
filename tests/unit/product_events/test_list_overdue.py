"""The list of what is overdue says the same as freshness does, from the next slot on at the latest.

Reads, slots and the nightly comparison write it. The stores are the real ones, on a fake table.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness, OverdueCursor
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.storage.items import SHARDS, company_key
from tests.support.builders import COMPANY
from tests.support.histories import PRODUCT, a_read, as_webhook, at
from tests.support.interleaving import World
from tools.simulation.fakes import FakeStateTable

HOUR = timedelta(hours=1)
BEGAN = at(0)
HOURLY, DAILY = Schedule("rate(1 hour)"), Schedule("rate(1 day)")
SCHEDULED = Product(PRODUCT, ProductKind.CUSTOM, data_types=("invoices",), schedule=HOURLY)
CONSENT = Consent(PRODUCT, BEGAN, "owner", "v1", ("invoices",))
LATE = timedelta(hours=2)  # a read of an hourly product is due after an hour, and late after two


class Hub:
    """One product, and companies that have it."""

    def __init__(self):
        self.table = FakeStateTable()
        self.registered = {PRODUCT: SCHEDULED}
        self.companies, self.assignments = CompanyStore(self.table), AssignmentStore(self.table)
        self.read_states = ReadStateStore(self.table)
        self.clock = BEGAN
        self.world = World(
            read_states=self.read_states,
            companies=self.companies,
            assignments=self.assignments,
            registry=self,
        )

    def products(self):
        return self.registered

    def assign(self, company_id=COMPANY, status=AssignmentStatus.ASSIGNED, consent=CONSENT):
        _, version = self.assignments.get(company_id, PRODUCT)
        held = Assignment(company_id, PRODUCT, status, self.clock, "test", consent)
        assert self.assignments.put(held, version)
        if not self.companies.get(company_id)[1]:
            self.link(company_id)

    def link(self, company_id=COMPANY, status="Linked"):
        _, version = self.companies.get(company_id)
        connection = Connection(Stamp(self.clock, "e"), status)
        assert self.companies.put(Company(company_id, connections={"k": connection}), version)

    def read(self):
        """Project a read of the company that ends now."""
        hours = (self.clock - BEGAN) / HOUR
        self.world.projector()(as_webhook(a_read(hours, since=0)))

    def list_overdue(self, *company_ids):
        """Correct the list, as a slot does for the companies that have the product."""
        ids = company_ids or (COMPANY,)
        found = self.assignments.get_many((company_id, PRODUCT) for company_id in ids)
        companies = self.companies.get_many(ids)
        return ListOverdue(self.read_states)(found.values(), companies, self.registered)

    def listed(self, when=None):
        places = self.read_states.overdue(PRODUCT, when or self.clock, 100)
        return [place.company_id for place in places]

    def measured(self):
        measure = self._measure()
        return [row.company_id for row in measure.of_company(COMPANY) if row.overdue]

    def shown(self):
        page = self._measure().overdue(None, OverdueCursor(), 100)
        return [row.company_id for row in page.rows]

    def _measure(self):
        return MeasureFreshness(
            self.companies, self.assignments, self.read_states, self, SHARDS, lambda: self.clock
        )


@pytest.fixture
def hub():
    return Hub()


def test_a_read_lists_when_the_next_one_is_overdue_with_the_same_write(hub):
    hub.assign()
    writes = hub.table.writes
    hub.read()
    assert hub.table.writes == writes + 1
    assert hub.listed(BEGAN + LATE - timedelta(seconds=1)) == []
    assert hub.listed(BEGAN + LATE) == [COMPANY]
    hub.clock = BEGAN + HOUR
    hub.read()
    assert hub.listed(BEGAN + LATE) == []
    assert hub.listed(BEGAN + HOUR + LATE) == [COMPANY]


def test_what_was_never_read_is_listed_by_its_slot(hub):
    hub.assign()
    hub.clock = BEGAN + HOUR
    hub.list_overdue()
    assert (hub.listed(), hub.shown()) == ([], [])
    hub.clock = BEGAN + LATE + timedelta(seconds=1)
    assert hub.listed() == hub.shown() == hub.measured() == [COMPANY]


def test_a_list_that_is_right_costs_no_write(hub):
    hub.assign()
    hub.read()
    hub.list_overdue()
    hub.assign("never-read")
    hub.list_overdue("never-read")
    writes = hub.table.writes
    hub.list_overdue(COMPANY, "never-read")
    assert hub.table.writes == writes


def test_an_item_of_an_earlier_version_is_listed_and_keeps_all_that_it_says(hub):
    hub.assign()
    hub.read()
    key = company_key(COMPANY, f"READS#{PRODUCT}")
    item, version, _ = hub.table.items[key]
    old = {name: value for name, value in item.items() if name != "overdue_from"}
    assert hub.table.put(key, old, version)  # as the version before wrote it
    assert hub.listed(BEGAN + LATE) == []
    before, _ = hub.read_states.get(COMPANY, PRODUCT)
    hub.list_overdue()
    assert hub.listed(BEGAN + LATE) == [COMPANY]
    after, _ = hub.read_states.get(COMPANY, PRODUCT)
    assert replace(after, overdue_from=None) == before


@pytest.mark.parametrize(
    "stop",
    [
        lambda hub: hub.link(status="Unlinked"),
        lambda hub: hub.assign(status=AssignmentStatus.ABSENT),
        lambda hub: hub.assign(consent=replace(CONSENT, revoked_at=BEGAN)),
        lambda hub: hub.assign(consent=replace(CONSENT, data_types=())),
        lambda hub: hub.registered.update({PRODUCT: replace(SCHEDULED, schedule=None)}),
    ],
)
def test_what_may_not_be_read_is_not_shown_and_leaves_the_list(hub, stop):
    hub.assign()
    hub.read()
    hub.clock = BEGAN + 3 * HOUR
    assert hub.shown() == [COMPANY]
    stop(hub)
    assert hub.shown() == []
    hub.list_overdue()
    assert hub.listed() == []


def test_a_changed_schedule_counts_from_its_next_slot_on(hub):
    hub.assign()
    hub.read()
    hub.registered[PRODUCT] = replace(SCHEDULED, schedule=DAILY)
    hub.clock = BEGAN + 3 * HOUR
    assert hub.shown() == []  # the list is too early, and each row is measured
    hub.list_overdue()
    assert hub.listed() == []
    hub.registered[PRODUCT] = SCHEDULED
    hub.list_overdue()
    assert hub.shown() == [COMPANY]


@pytest.mark.parametrize("kind", ["read state", "company"])
def test_what_cannot_be_read_stays_as_it_is(hub, kind):
    hub.assign()
    hub.assign("other")
    if kind == "company":
        hub.table.spoil(company_key(COMPANY, "DIRECTORY"), connections="none")
    else:
        hub.read()
        hub.table.spoil(company_key(COMPANY, f"READS#{PRODUCT}"), keys="none")
    items = hub.table.items.copy()
    hub.list_overdue(COMPANY, "other")
    changed = {key.pk for key in hub.table.items if hub.table.items[key] != items.get(key)}
    assert changed == {"COMPANY#other"}


def test_a_read_that_ends_meanwhile_is_not_lost(hub):
    hub.assign()
    get = hub.read_states.get_many

    def get_and_then_read(pairs):
        found = get(pairs)
        hub.read()
        return found

    hub.read_states.get_many = get_and_then_read
    hub.list_overdue()
    assert hub.read_states.get(COMPANY, PRODUCT)[0].last_read_at == BEGAN
    assert hub.listed(BEGAN + LATE) == [COMPANY]


def test_a_list_that_others_keep_changing_is_given_up(hub):
    hub.assign()
    hub.read_states.put = lambda *_: False
    with pytest.raises(Unavailable):
        hub.list_overdue()
    assert hub.read_states.get(COMPANY, PRODUCT) == (ReadState(), 0)


ACTIONS = {
    "assign": lambda hub: hub.assign(),
    "remove": lambda hub: hub.assign(status=AssignmentStatus.ABSENT),
    "revoke": lambda hub: hub.assign(consent=None),
    "link": lambda hub: hub.link(),
    "unlink": lambda hub: hub.link(status="Unlinked"),
    "read": lambda hub: hub.read(),
    "hourly": lambda hub: hub.registered.update({PRODUCT: SCHEDULED}),
    "daily": lambda hub: hub.registered.update({PRODUCT: replace(SCHEDULED, schedule=DAILY)}),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 40)), max_size=12))
def test_after_a_slot_the_list_is_what_freshness_says_whatever_happened(history):
    hub = Hub()
    hub.assign()
    for action, hours in history:
        ACTIONS[action](hub)
        hub.clock += hours * HOUR + timedelta(seconds=1)
        assert set(hub.shown()) <= set(hub.measured())  # never a row that is not late
        hub.list_overdue()
        assert hub.listed() == hub.shown() == hub.measured()
