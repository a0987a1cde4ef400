"""The directory takes over Codat's list, but keeps younger news and leaves equal fields."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import DELETED, Company, CompanyChange, Connection, apply
from codat_hub.reconcile.domain.company_comparison import CLOCK_MARGIN, compare
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.observed import ObservedCompany, ObservedConnection

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = Stamp(NOON - timedelta(days=9), "e")

names = st.sampled_from(["Ann", "Bob", None])
products = st.none() | st.lists(st.sampled_from("abc"), unique=True).map(tuple)
connections = st.none() | st.dictionaries(
    st.sampled_from(["c1", "c2"]),
    st.builds(ObservedConnection, st.sampled_from(["Linked", "Unlinked"]), st.sampled_from("gq")),
)
theirs = st.builds(ObservedCompany, st.just("c"), names, products, connections)
stamps = st.builds(
    Stamp, st.integers(-5, 5).map(lambda minutes: NOON + timedelta(minutes=minutes)), st.just("e")
)
changes = st.builds(
    CompanyChange,
    st.just("c"),
    stamps,
    name=names,
    products=products,
    connection_id=st.sampled_from(["c1", "c2", "c3"]),
    connection=st.builds(
        Connection, stamps, st.sampled_from(["Linked", "Unlinked", DELETED]), st.just("g")
    ),
)


def known(*events):
    company = Company("c")
    for event in events:
        company = apply(company, event)
    return company


@given(st.lists(changes, max_size=4), theirs)
def test_comparing_again_finds_nothing(events, seen):
    once = compare(known(*events), seen, NOON)
    again = compare(once.entry, seen, NOON)
    assert (again.entry, again.drift) == (once.entry, ())


@given(st.lists(changes, max_size=4), theirs)
def test_no_drift_is_no_change_and_drift_is_one(events, seen):
    ours = known(*events)
    compared = compare(ours, seen, NOON)
    assert (compared.entry == ours) == (not compared.drift)


@given(st.lists(changes, max_size=4), theirs)
def test_news_that_may_be_younger_than_the_list_is_kept(events, seen):
    ours = known(*events)
    entry = compare(ours, seen, NOON).entry
    edge = NOON - CLOCK_MARGIN
    if ours.named and ours.named.at > edge:
        assert entry.name == ours.name
    if ours.listed and ours.listed.at > edge:
        assert entry.products == ours.products
    for connection_id, connection in ours.connections.items():
        if connection.stamp.at > edge:
            assert entry.connections[connection_id] == connection


@given(theirs)
def test_old_knowledge_becomes_what_codat_says(seen):
    old = CompanyChange("c", LONG_AGO, name="Old", products=("z",), connection_id="c9")
    ours = apply(known(old), CompanyChange("c", LONG_AGO, connection_id="c9",
                 connection=Connection(LONG_AGO, "Linked", "g")))  # fmt: skip
    entry = compare(ours, seen, NOON).entry
    assert entry.name == (seen.name or "Old")
    assert set(entry.products) == set(("z",) if seen.products is None else seen.products)
    if seen.connections is not None:
        statuses = {key: connection.status for key, connection in entry.connections.items()}
        live = {key: status for key, status in statuses.items() if status != DELETED}
        assert live == {key: connection.status for key, connection in seen.connections.items()}
        assert entry.removed_connections.keys() == {"c9"}


def test_an_unknown_company_is_a_single_drift():
    seen = ObservedCompany("c", "Ann", ("a",), {"c1": ObservedConnection("Linked", "gbol")})
    (drift,) = compare(None, seen, NOON).drift
    assert drift.kind is DriftKind.COMPANY_UNKNOWN


def test_a_company_deleted_here_and_listed_at_codat_is_reported_unless_the_deletion_is_news():
    seen = ObservedCompany("c", "Ann")
    deleted = apply(known(), CompanyChange("c", LONG_AGO, name="Ann", deleted=True))
    assert [drift.kind for drift in compare(deleted, seen, NOON).drift] == [
        DriftKind.COMPANY_NOT_DELETED
    ]
    just_now = apply(known(), CompanyChange("c", Stamp(NOON, "e"), name="Ann", deleted=True))
    assert compare(just_now, seen, NOON).drift == ()


def with_a_connection():
    linked = Connection(LONG_AGO, "Linked", "gbol", "Accounting")
    return apply(known(), CompanyChange("c", LONG_AGO, connection_id="c1", connection=linked))


def test_a_connection_that_may_be_unreadable_is_not_taken_for_deleted():
    ours = with_a_connection()
    partial = ObservedCompany("c", "Ann", ("a",), {}, unread=("dataConnections: id",))
    assert compare(ours, partial, NOON).entry.connections == ours.connections


def test_a_field_of_a_connection_that_is_not_told_stays():
    ours = with_a_connection()
    seen = {"c1": ObservedConnection(None)}
    assert compare(ours, ObservedCompany("c", connections=seen), NOON).drift == ()
    more = ObservedCompany("c", connections={**seen, "new": ObservedConnection(None)})
    assert compare(ours, more, NOON).entry.connections.keys() == {"c1"}
