import pytest

from codat_hub.migration.domain.entry import LedgerEntry


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        (LedgerEntry(), False),
        (LedgerEntry({"had": True}).came_to("had"), False),
        (LedgerEntry().intend(1), True),
        (LedgerEntry().intend(1).came_to("added"), True),
        (LedgerEntry().intend(1).came_to("added").undo("removed"), False),
    ],
)
def test_an_intent_is_ours_until_it_is_undone(entry, ours):
    assert entry.ours is ours


@pytest.mark.parametrize("change", [LedgerEntry.came_to, LedgerEntry.undo])
def test_details_stay_unless_there_are_new_ones(change):
    entry = LedgerEntry("before", detail={"id": 1})
    assert change(entry, "x").detail == {"id": 1}
    assert change(entry, "x", {"id": 2}).detail == {"id": 2}
    assert change(entry, "x", []).detail == []
    assert change(entry, "x").before == "before"


def test_an_outcome_and_an_undo_are_recorded():
    done = LedgerEntry("before").intend(1).came_to("added").undo("removed")
    assert done == LedgerEntry("before", 1, "added", None, "removed")


def test_an_intent_after_an_undo_begins_anew():
    entry = LedgerEntry("before", detail=1).intend(1).came_to("added").undo("removed").intend(3)
    assert (entry.intended, entry.outcome, entry.undone) == (3, None, None)
    assert (entry.before, entry.detail, entry.ours) == ("before", 1, True)
