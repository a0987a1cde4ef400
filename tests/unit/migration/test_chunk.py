from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.migration.domain.chunk import REASONS, Member, Tally, chunks_of, judge


class TestChunks:
    @given(st.lists(st.integers(0, 30)), st.integers(1, 7))
    def test_every_company_is_in_one_chunk_once(self, numbers, size):
        members = [Member(f"c{number}", True) for number in numbers]
        chunks = chunks_of("plan", members, size)
        found = [member.company_id for chunk in chunks for member in chunk.members]
        assert sorted(found) == sorted({f"c{number}" for number in numbers})
        assert all(0 < len(chunk.members) <= size for chunk in chunks)
        assert len({chunk.name for chunk in chunks}) == len(chunks)

    def test_a_company_that_was_listed_twice_is_as_listed_last(self):
        (chunk,) = chunks_of("plan", [Member("c1", False), Member("c1", True)])
        assert chunk.members == (Member("c1", True),)

    def test_a_name_is_the_listing_and_a_number(self):
        members = [Member(f"c{number}", True) for number in range(3)]
        names = [chunk.name for chunk in chunks_of("late-1", members, size=2)]
        assert names == ["late-1-000000", "late-1-000001"]


class TestTally:
    @given(st.lists(st.sampled_from(["did", "skip", "fail", "leave_open"])))
    def test_every_company_is_counted_once(self, outcomes):
        tally = Tally(1)
        for outcome in outcomes:
            tally = getattr(tally, outcome)("why")
        counts = (tally.done, tally.skipped, tally.failed, tally.open)
        names = ("did", "skip", "fail", "leave_open")
        assert counts == tuple(outcomes.count(name) for name in names)
        assert tally.seen == len(outcomes)
        assert len(tally.reasons) == min(REASONS, len(outcomes))

    def test_one_that_is_done_without_a_reason_keeps_those_before(self):
        assert Tally(1).skip("c1: no consent").did().reasons == ("c1: no consent",)

    def test_what_a_person_has_to_look_into_comes_first(self):
        tally = Tally(1).skip("skipped").did("done").fail("failed").leave_open("open")
        assert tally.reasons == ("open", "failed", "done", "skipped")

    def test_a_company_that_is_looked_at_again_is_no_longer_open(self):
        tally = Tally(1).leave_open("a: no read", "a").leave_open("b: no read", "b").skip("ab: no")
        again = tally.reopened("a")
        assert (again.open, again.skipped, again.unsettled) == (1, 1, ("b",))
        assert again.reasons == ("b: no read", "ab: no")
        assert again.reopened("a") is again


class TestJudge:
    def test_reasons_of_chunks_with_open_companies_come_before_others(self):
        skipped = Tally(1, finished=True).skip("skipped")
        awaited = Tally(1, finished=True).leave_open("open")
        assert judge([skipped, awaited], 2, 1).reasons == ("open", "skipped")

    def test_what_is_missing_unfinished_or_of_another_epoch_was_not_done(self):
        done = Tally(2, finished=True, done=5)
        for others in ([], [replace(done, finished=False)], [replace(done, epoch=1)]):
            verdict = judge([done, *others], 2, 2)
            assert (verdict.missing, verdict.done) == (1, 5)
            assert verdict.bad(99)
        assert not judge([done, done], 2, 2).bad(0)

    @pytest.mark.parametrize(("tolerated", "bad"), [(0, True), (1, False)])
    def test_more_failures_than_tolerated_are_bad(self, tolerated, bad):
        tally = Tally(1, finished=True).did().fail("c1: refused")
        verdict = judge([tally], 1, 1)
        assert verdict.bad(tolerated) is bad
        assert str(verdict) == "1 of 2 failed: c1: refused"

    def test_a_verdict_says_how_many_chunks_are_missing(self):
        verdict = judge([Tally(1, finished=True, done=3)], 4, 1)
        assert str(verdict) == "0 of 3 failed, 3 of 4 chunks were not finished"
        assert verdict.counts() == {
            "chunks": 1, "of_chunks": 4, "done": 3, "skipped": 0, "failed": 0, "open": 0,
        }  # fmt: skip

    def test_what_was_skipped_does_not_crowd_out_why_something_failed_or_is_awaited(self):
        skipped = Tally(1, finished=True)
        for number in range(30):
            skipped = skipped.skip(f"c{number}: no consent")
        worst = skipped.leave_open("c31: no read yet").fail("c32: refused")
        unfinished = Tally(1, reasons=("chunk 9: Sandbox.Timedout",))
        reasons = judge([skipped] * 20 + [worst, skipped, unfinished], 23, 1).reasons
        assert reasons[:2] == ("chunk 9: Sandbox.Timedout", "c32: refused")
        assert "c31: no read yet" in reasons
        assert len(reasons) == REASONS == 10
