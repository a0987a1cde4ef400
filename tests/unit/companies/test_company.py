"""An entry of the directory ends the same, whatever the order of its events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import (
    MAX_CONNECTIONS,
    Company,
    CompanyChange,
    Connection,
    apply,
)
from codat_hub.companies.domain.product_changes import ProductTimes
from tests.support.builders import COMPANY
from tests.support.histories import at

EMPTY = Company(COMPANY)


def a_change(hours=1.0, **content) -> CompanyChange:
    return CompanyChange(COMPANY, Stamp(at(hours), f"event-{hours}"), **content)


def a_connection_change(hours, status="Linked", connection_id="a", **content):
    stamp = Stamp(at(hours), f"event-{hours}")
    connection = Connection(stamp, status, "gbol", "Accounting")
    return CompanyChange(
        COMPANY, stamp, connection_id=connection_id, connection=connection, **content
    )


def test_an_older_name_or_product_list_never_replaces_a_newer_one():
    newer, older = (
        a_change(2, name="New", products=("b", "a")),
        a_change(1, name="Old", products=()),
    )
    company = apply(apply(EMPTY, newer), older)
    assert (company.name, company.products) == ("New", ("a", "b"))


def test_of_two_events_of_one_instant_the_greater_id_is_newer():
    low, high = Stamp(at(1), "a"), Stamp(at(1), "b")
    changes = [CompanyChange(COMPANY, low, name="A"), CompanyChange(COMPANY, high, name="B")]
    assert apply(apply(EMPTY, changes[0]), changes[1]).name == "B"
    assert apply(apply(EMPTY, changes[1]), changes[0]).name == "B"


def test_the_later_removal_of_product_and_connection_counts():
    company = apply(EMPTY, a_change(3, removed_product="p"))
    company = apply(company, a_connection_change(2, "Unlinked", connection_removed=True))
    company = apply(company, a_connection_change(1, "Unlinked", connection_removed=True))
    company = apply(company, a_change(1, removed_product="p"))
    assert company.changes("p").resets == (at(3),)
    assert company.removed_connections == {"a": at(2)}
    assert company.changes("q").resets == ()


def test_the_latest_addition_counts_and_a_listed_product_was_present():
    company = apply(EMPTY, a_change(3, added_product="p"))
    company = apply(company, a_change(2, added_product="p", products=("p",)))
    assert company.changes("p") == ProductTimes((), (at(3),), (at(2),))


def test_a_relinked_connection_is_linked_and_keeps_its_removal():
    company = apply(EMPTY, a_connection_change(1, "Unlinked", connection_removed=True))
    company = apply(company, a_connection_change(2))
    assert company.connections["a"].status == "Linked"
    assert company.removed_connections == {"a": at(1)}


def test_an_integration_that_no_event_named_is_unknown():
    assert apply(EMPTY, a_connection_change(1)).integration("a") == "gbol"
    assert EMPTY.integration("a") == "unknown"


def test_connections_are_bounded_and_the_newest_stay():
    company = EMPTY
    for number in range(MAX_CONNECTIONS + 3):
        company = apply(company, a_connection_change(number, connection_id=str(number)))
    assert len(company.connections) == MAX_CONNECTIONS
    assert "2" not in company.connections


changes = st.lists(
    st.one_of(
        st.builds(a_change, st.integers(0, 5), name=st.sampled_from("AB")),
        st.builds(a_change, st.integers(0, 5), products=st.sampled_from([(), ("p",), ("p", "q")])),
        st.builds(a_change, st.integers(0, 5), deleted=st.just(True)),
        st.builds(a_change, st.integers(0, 5), removed_product=st.sampled_from("pq")),
        st.builds(a_change, st.integers(0, 5), added_product=st.sampled_from("pq")),
        st.builds(
            a_connection_change,
            st.integers(0, 5),
            st.sampled_from(["Linked", "Unlinked"]),
            st.sampled_from("ab"),
            connection_removed=st.booleans(),
        ),
    ),
    max_size=8,
    unique_by=lambda change: (change.stamp, change.name is None, change.products is None,
                              change.connection_id),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(data=st.data(), history=changes)
def test_any_order_with_repeats_ends_in_the_same_entry(data, history):
    company, mixed = EMPTY, EMPTY
    for change in history:
        company = apply(company, change)
    for change in data.draw(st.permutations(history + history[:3])):
        mixed = apply(mixed, change)
    assert mixed == company


def test_a_connection_made_and_linked_in_one_instant_is_linked_in_any_order():
    stamps = [Stamp(at(1), "z-created"), Stamp(at(1), "a-connected")]
    changes = [
        CompanyChange(
            COMPANY, stamp, connection_id="a", connection=Connection(stamp, status, "gbol")
        )
        for stamp, status in zip(stamps, ["PendingAuth", "Linked"], strict=True)
    ]
    for ordered in (changes, changes[::-1]):
        company = EMPTY
        for change in ordered:
            company = apply(company, change)
        assert company.connections["a"].status == "Linked"
