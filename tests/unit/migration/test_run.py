from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.migration.domain.chunk import Member, Tally, chunks_of, judge
from codat_hub.migration.domain.run import (
    Activity,
    Request,
    Run,
    Status,
    Undo,
    execution_name,
    is_active,
    migration_of,
    undo_of,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RUN = Run("m-1", Request(("lending",)), NOW, "olive", "m-1")


class TestUndo:
    def test_each_activity_is_undone_from_its_own_undo_on(self):
        assert [undo_of(one) for one in (None, *Activity)] == [
            Undo.NOTHING,
            Undo.REENABLE_CLIENT_SYNC,
            Undo.REENABLE_CLIENT_SYNC,
            Undo.RESUBSCRIBE_OLD_WEBHOOKS,
            Undo.UNSUBSCRIBE_NEW_WEBHOOKS,
            Undo.REMOVE_PRODUCTS,
        ]

    @given(st.lists(st.sampled_from(list(Activity))))
    def test_how_far_it_got_is_never_forgotten(self, activities):
        run = RUN
        for one in activities:
            run = run.began(one)
        order = list(Activity)
        assert run.reached == max(activities, key=order.index, default=None)


class TestLock:
    @pytest.mark.parametrize("status", [s for s in Status if s.final])
    @pytest.mark.parametrize("runs", [True, False])
    def test_one_that_is_over_holds_nothing(self, status, runs):
        assert not is_active(replace(RUN, status=status, reached=Activity.ADD_PRODUCTS), runs)

    def test_a_dry_run_holds_nothing(self):
        assert not is_active(replace(RUN, request=Request(("a",), dry_run=True)), True)

    def test_one_whose_execution_died_holds_if_it_has_changed_anything(self):
        assert is_active(RUN, True)
        assert not is_active(RUN, False)
        assert is_active(RUN.began(Activity.DISABLE_CLIENT_SYNC), False)


class TestRequest:
    def test_ids_tags_or_everyone(self):
        assert Request(("a",)).covers("c", {})
        assert Request(("a",), company_ids=("c",)).covers("c", {})
        assert not Request(("a",), company_ids=("c",)).covers("d", {})
        tagged = Request(("a",), tags={"region": "uk", "tier": "1"})
        assert tagged.covers("c", {"region": "uk", "tier": "1", "x": "y"})
        assert not tagged.covers("c", {"region": "uk"})


@pytest.mark.parametrize("rollback", [0, 1, 12])
def test_an_execution_is_named_for_its_migration(rollback):
    assert migration_of(execution_name("m-20261122-101500-ab12cd", rollback)) == (
        "m-20261122-101500-ab12cd"
    )


class TestChunks:
    @given(st.lists(st.integers(0, 30)), st.integers(1, 7))
    def test_every_company_is_in_one_chunk_once(self, numbers, size):
        members = [Member(f"c{one}", True) for one in numbers]
        chunks = chunks_of("plan", members, size)
        found = [member.company_id for chunk in chunks for member in chunk.members]
        assert sorted(found) == sorted({f"c{one}" for one in numbers})
        assert all(0 < len(chunk.members) <= size for chunk in chunks)
        assert len({chunk.name for chunk in chunks}) == len(chunks)

    def test_what_is_missing_unfinished_or_of_another_epoch_was_not_done(self):
        done = Tally(2, finished=True, done=5)
        for others in ([], [replace(done, finished=False)], [replace(done, epoch=1)]):
            seen = judge([done, *others], 2, 2)
            assert (seen.missing, seen.done) == (1, 5)
            assert seen.bad(99)
        assert not judge([done, done], 2, 2).bad(0)

    def test_more_failures_than_tolerated_are_bad(self):
        one = Tally(1, finished=True).did().fail("c1: refused")
        assert judge([one], 1, 1).bad(0)
        assert not judge([one], 1, 1).bad(1)
        assert "1 of 2 failed: c1: refused" in str(judge([one], 1, 1))

    def test_what_was_skipped_does_not_crowd_out_why_something_failed_or_is_awaited(self):
        skipped = Tally(1, finished=True)
        for number in range(30):
            skipped = skipped.skip(f"c{number}: no consent")
        worst = skipped.leave_open("c31: no read yet").fail("c32: refused")
        unfinished = Tally(1, reasons=("chunk 9: Sandbox.Timedout",))
        said = judge([skipped] * 20 + [worst, skipped, unfinished], 23, 1).reasons
        assert said[:2] == ("chunk 9: Sandbox.Timedout", "c32: refused")
        assert "c31: no read yet" in said
        assert len(said) == 10
