"""A read is recognised by its contents and its time, as Codat gives it no id."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.product_events.domain.read_event import ReadId
from tests.support.histories import a_read, at, entry

READ = a_read(1, entry(), entry("payments", "b"))


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": "other"},
        {"webhook_id": "other"},
        {"subs": frozenset({"successful"})},
        {"entries": READ.entries[::-1]},
        {"company_id": "other"},
        {"product": None},
    ],
    ids=str,
)
def test_two_events_of_one_read_have_one_id(changed):
    assert replace(READ, **changed).read_id == READ.read_id


@pytest.mark.parametrize(
    "changed",
    [
        {"at": at(1.001)},
        {"modified_from": at(0.5)},
        {"modified_from": None},
        {"entries": READ.entries[:1]},
        {"entries": (entry(), entry("payments", "c"))},
        {"entries": (entry(), entry("payments", "b", status="FetchError"))},
        {"entries": (entry(), entry("payments", "b", modified=False))},
    ],
)
def test_another_time_or_other_contents_are_another_read(changed):
    assert replace(READ, **changed).read_id != READ.read_id


def test_the_id_of_a_read_stays_the_same():
    """Read states are stored with these ids, so no renaming of a class may change them."""
    assert a_read(1).read_id == ReadId(at(1), "655785bf4a5173b9")


@given(st.lists(st.tuples(st.integers(0, 99), st.text("abc", max_size=2)), min_size=1))
def test_reads_are_ordered_by_time_first(reads):
    ordered = sorted(ReadId(at(hour), fingerprint) for hour, fingerprint in reads)
    assert [read.at for read in ordered] == sorted(at(hour) for hour, _ in reads)


@pytest.mark.parametrize(
    ("subs", "suffix"),
    [
        ([], "base"),
        (["successful"], "successful"),
        (["successful", "initial"], "initial successful"),
        (["initial", "successful"], "initial successful"),
    ],
)
def test_the_suffix_is_the_same_text_in_any_order(subs, suffix):
    read = replace(READ, subs=frozenset(subs))
    assert (read.suffix, read.initial) == (suffix, "initial" in subs)


@pytest.mark.parametrize(("product", "name"), [("lending", "lending"), (None, "standard")])
def test_a_plain_read_is_published_as_standard(product, name):
    assert replace(READ, product=product).published_as == name


@pytest.mark.parametrize("status", ["Complete", "FetchError", "complete", ""])
def test_an_entry_is_complete_with_exactly_that_status(status):
    assert entry(status=status).complete == (status == "Complete")
