"""Which reads are published with which windows, and which state is kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.product_events.domain.product_event import (
    FULL_LOAD,
    NOTHING_TO_READ,
    Window,
    as_text,
)
from codat_hub.product_events.domain.read_event import ReadKey
from codat_hub.product_events.domain.read_state import (
    MAX_KEYS,
    ProjectionOutcome,
    ReadState,
    project,
)
from tests.support.histories import (
    HubCall,
    Ledger,
    Look,
    a_read,
    a_removal,
    an_addition,
    at,
    entry,
)

INVOICES = ReadKey("invoices", "a")


def since(hours):
    return Window(full_load=False, modified_from=at(hours))


def windows(ledger):
    """Return the published windows by data type, event by event."""
    return [{e.key.data_type: window for e, window in event.windows} for event in ledger.published]


def test_the_first_event_is_a_full_load_whatever_recordsmodified_says():
    ledger = Ledger().take(a_read(1, entry(modified=False)))
    assert windows(ledger) == [{"invoices": FULL_LOAD}]


def test_a_daily_and_an_hourly_product_each_get_their_own_windows():
    daily, hourly = Ledger(), Ledger()
    payments = entry("payments")
    daily.take(a_read(23, payments, since=None, product="a"))
    for hour in range(24, 47):
        hourly.take(a_read(hour, payments, since=hour - 1, product="b"))
    # Codat's date is of B's last fetch; A has to read everything since yesterday 23:00.
    daily.take(a_read(47, payments, since=46, product="a"))
    assert windows(daily) == [{"payments": FULL_LOAD}, {"payments": since(23)}]
    assert windows(hourly)[1:] == [{"payments": since(hour)} for hour in range(24, 46)]


def test_a_window_starts_at_codats_date_or_the_watermark_whichever_is_older():
    ledger = Ledger().take(a_read(2), a_read(4, since=1), a_read(6, since=5))
    assert windows(ledger)[1:] == [{"invoices": since(1)}, {"invoices": since(4)}]


def test_a_failed_type_keeps_its_watermark_and_the_next_success_covers_the_gap():
    ledger = Ledger().take(
        a_read(1, entry(), entry("payments")),
        a_read(2, entry(), entry("payments", status="FetchError"), since=1),
        a_read(3, entry(), entry("payments"), since=2),
    )
    assert windows(ledger)[1:] == [
        {"invoices": since(1), "payments": NOTHING_TO_READ},
        {"invoices": since(2), "payments": since(1)},
    ]


@pytest.mark.parametrize(
    "event",
    [a_read(2, since=None), a_read(2, subs=frozenset({"initial", "successful"}))],
    ids=["codat gives no date", "an initial read"],
)
def test_an_event_without_a_date_or_with_initial_is_a_full_load(event):
    assert windows(Ledger().take(a_read(1), event))[1] == {"invoices": FULL_LOAD}


@pytest.mark.parametrize("kind", ["balanceSheet", "profitAndLoss", "company"])
def test_a_type_without_modified_date_is_always_a_full_load(kind):
    ledger = Ledger().take(a_read(1, entry(kind)), a_read(2, entry(kind), since=1))
    assert windows(ledger) == [{kind: FULL_LOAD}] * 2


class TestRemovals:
    def test_after_a_disconnection_only_its_connection_gets_a_full_load(self):
        both = (entry(), entry(connection_id="b"))
        ledger = Ledger().take(a_read(1, *both), a_removal(2, connection="b"))
        ledger.take(a_read(3, *both, since=1), a_read(4, *both, since=3))
        published = [{e.key.connection_id: w for e, w in p.windows} for p in ledger.published]
        assert published[1:] == [{"a": since(1), "b": FULL_LOAD}, {"a": since(3), "b": since(3)}]

    def test_after_the_removal_of_the_product_there_is_a_full_load(self):
        ledger = Ledger().take(a_read(1), a_removal(2), an_addition(2.5), a_read(3, since=1))
        assert windows(ledger)[1] == {"invoices": FULL_LOAD}

    def test_a_read_that_ends_after_the_removal_is_not_published_and_answers_nothing(self):
        ledger = Ledger().take(a_read(1))
        before = ledger.state
        ledger.take(a_removal(2), a_read(2.1, since=None))
        assert (ledger.outcomes[-1], ledger.state) == (ProjectionOutcome.OFF, before)
        ledger.take(an_addition(3), a_read(4, since=2), a_read(5, since=4))
        assert windows(ledger)[1:] == [{"invoices": FULL_LOAD}, {"invoices": since(4)}]

    @pytest.mark.parametrize("change", [HubCall(2, adds=False), a_removal(2), Look(2.1, False)])
    @pytest.mark.parametrize("back", [HubCall(3, adds=True), an_addition(3), Look(3.1, True)])
    def test_every_way_to_learn_of_a_change_owes_one_full_load(self, change, back):
        ledger = Ledger().take(HubCall(0, adds=True), an_addition(0.1), a_read(1))
        ledger.take(change, a_read(2.5), back, a_read(4, since=2.4))
        ledger.take(Look(4.5, True), a_read(5, since=3.9))
        assert windows(ledger)[1:] == [{"invoices": FULL_LOAD}, {"invoices": since(3.9)}]

    def test_many_reports_of_one_addition_owe_one_full_load(self):
        ledger = Ledger().take(a_read(1), a_removal(2), HubCall(3, adds=True), an_addition(3.01))
        ledger.take(a_read(4, since=1), Look(100, True), an_addition(3.01), a_read(101, since=100))
        assert windows(ledger)[1:] == [{"invoices": FULL_LOAD}, {"invoices": since(4)}]

    def test_a_full_load_for_another_reason_answers_a_reset(self):
        ledger = Ledger().take(a_read(1), a_read(3, since=None), an_addition(2), a_read(4, since=3))
        assert windows(ledger)[2] == {"invoices": since(3)}

    def test_the_removal_of_another_product_changes_nothing(self):
        ledger = Ledger().take(a_read(1), a_removal(2, product="other"), a_read(3, since=1))
        assert windows(ledger)[1] == {"invoices": since(1)}

    def test_a_removal_learned_late_is_answered_by_the_next_read(self):
        ledger = Ledger().take(a_read(1), a_read(3, since=1), a_removal(2), an_addition(2.1))
        ledger.take(a_read(4, since=3))
        ledger.take(a_read(5, since=4))
        assert windows(ledger)[1:] == [
            {"invoices": since(1)},
            {"invoices": FULL_LOAD},
            {"invoices": since(4)},
        ]

    def test_a_read_from_before_a_removal_does_not_answer_it(self):
        ledger = Ledger().take(a_read(1), a_removal(3), a_read(2, since=1))
        ledger.take(an_addition(3.1), a_read(4, since=2))
        assert windows(ledger)[1:] == [{"invoices": since(1)}, {"invoices": FULL_LOAD}]

    def test_a_full_load_that_answers_a_removal_has_another_key_than_a_smaller_event(self):
        # The projector was killed after it published; then the removal came.
        before = Ledger().take(a_read(1))
        without = project(before.state, a_read(3, since=1)).published
        answer = project(before.state, a_read(3, since=1), lambda _: [at(2)]).published
        assert without.event_key != answer.event_key
        assert answer.covers(replace(without, resets=answer.resets))


class TestDatesAhead:
    @pytest.mark.parametrize("ahead", [30 / 3600, 23.5, 24, 9000])
    def test_an_hourly_read_dated_ahead_hides_no_later_read(self, ahead):
        ledger = Ledger().take(a_read(1, ahead=ahead))
        ledger.take(*(a_read(hour, since=hour - 1) for hour in range(2, 30)))
        assert windows(ledger)[1:] == [{"invoices": since(hour)} for hour in range(1, 29)]
        assert ledger.state.last_read_at == at(29)

    def test_a_window_after_a_read_dated_30_seconds_ahead_starts_at_its_end(self):
        ledger = Ledger().take(a_read(1), a_read(2, since=1, ahead=30 / 3600))
        ledger.take(a_read(3, since=2.005))
        assert windows(ledger)[2] == {"invoices": since(2)}

    @pytest.mark.parametrize("received", [2.5, 10, 23, 26])
    def test_a_read_dated_ahead_that_is_delivered_again_later_is_a_repeat(self, received):
        read = a_read(1, ahead=23.5)
        ledger = Ledger().take(read, a_read(2, since=1))
        before = ledger.state
        moment = min(at(received), read.generated)
        ledger.take(replace(read, at=moment, webhook_id="msg-recovered"))
        assert (ledger.outcomes[-1], ledger.state) == (ProjectionOutcome.REPEATED, before)
        ledger.take(*(a_read(hour, since=hour - 1) for hour in (25, 26)))
        ledger.take(replace(read, at=read.generated, webhook_id="msg-recovered"))
        assert len(ledger.published) == 4

    def test_a_repeat_that_is_projected_first_moves_no_window_ahead(self):
        read = a_read(1, ahead=23.5)
        late = replace(read, at=at(10), webhook_id="msg-recovered")
        ledger = Ledger().take(late, read, a_read(2, since=1.9))
        assert windows(ledger)[1] == {"invoices": since(1)}

    def test_base_and_sub_event_are_folded_by_their_own_dates(self):
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub", ahead=23.5)
        late = replace(sub, at=at(9))  # delivered hours later
        ledger = Ledger().take(a_read(1, ahead=23.5), late)
        assert ledger.outcomes[-1] is ProjectionOutcome.FOLDED
        assert ledger.state.keys[INVOICES].watermark.at == at(1)

    def test_the_reads_kept_because_they_may_come_again_are_bounded(self):
        ledger = Ledger().take(*(a_read(hour, since=0, ahead=9000) for hour in range(1, 400)))
        assert 96 < len(ledger.state.reads) < 300
        assert ledger.state.reads[0].at > at(100)

    def test_the_event_key_and_the_published_time_are_of_codats_date(self):
        first, again = a_read(1, ahead=5), a_read(1, ahead=5, at=at(3))
        again = replace(again, generated=first.generated)
        events = [project(ReadState(), event).published for event in (first, again)]
        assert len({event.event_key for event in events}) == 1
        assert {event.detail()["occurred_at"] for event in events} == {as_text(at(6))}


class TestLateEvents:
    def test_only_types_without_a_newer_read_are_published(self):
        ledger = Ledger().take(a_read(3), a_read(2, entry(), entry("payments")))
        assert windows(ledger)[1] == {"payments": FULL_LOAD}

    def test_a_late_complete_behind_a_newer_error_counts_and_the_latest_status_stays(self):
        ledger = Ledger().take(a_read(1), a_read(3, entry(status="FetchError")), a_read(2, since=1))
        assert windows(ledger)[2] == {"invoices": since(1)}
        known = ledger.state.keys[INVOICES]
        assert (known.status, known.latest.at, known.watermark.at) == ("FetchError", at(3), at(2))

    @pytest.mark.parametrize("status", ["Complete", "FetchError", "NotSupported"])
    def test_a_late_error_is_superseded_by_anything_newer(self, status):
        ledger = Ledger().take(a_read(3, entry(status=status)))
        before = ledger.state
        ledger.take(a_read(2, entry(status="MapError")))
        assert ledger.outcomes[-1] is ProjectionOutcome.SUPERSEDED
        assert ledger.state == before

    def test_a_late_complete_is_superseded_by_a_newer_one(self):
        ledger = Ledger().take(a_read(3))
        before = ledger.state
        assert ledger.take(a_read(2)).outcomes[-1] is ProjectionOutcome.SUPERSEDED
        assert ledger.state == before


class TestRepeats:
    def test_the_same_event_under_a_new_webhook_id_changes_nothing(self):
        ledger = Ledger().take(a_read(1))
        before = ledger.state
        ledger.take(a_read(1, webhook_id="msg-portal-recovery"))
        assert (ledger.state, ledger.outcomes[-1]) == (before, ProjectionOutcome.REPEATED)
        assert len(ledger.published) == 1

    def test_a_repeat_of_a_forgotten_event_changes_nothing(self):
        ledger = Ledger().take(*(a_read(hour, since=hour - 1) for hour in range(1, 50)))
        before = ledger.state
        for hour in range(1, 50):
            ledger.take(a_read(hour, since=hour - 1, webhook_id="msg-again"))
        assert ledger.state == before
        assert len(ledger.published) == 49


class TestSubEvents:
    @pytest.mark.parametrize("seconds", [-890, -1, 0, 1, 890])
    def test_base_and_sub_event_of_one_read_count_once_at_the_earliest_time(self, seconds):
        moment = at(1) + timedelta(seconds=seconds)
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub", at=moment)
        ledger = Ledger().take(a_read(1), sub)
        assert ledger.outcomes == [ProjectionOutcome.PUBLISHED, ProjectionOutcome.FOLDED]
        assert ledger.state.keys[INVOICES].watermark.at == min(at(1), moment)
        assert ledger.state == Ledger().take(sub, a_read(1)).state

    def test_a_repeat_of_a_folded_event_changes_nothing(self):
        late = at(1) + timedelta(minutes=1)
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub", at=late)
        ledger = Ledger().take(a_read(1), sub)
        before = ledger.state
        ledger.take(replace(sub, webhook_id="again"), a_read(1, webhook_id="again too"))
        assert ledger.state == before
        assert ledger.outcomes[2:] == [ProjectionOutcome.REPEATED] * 2

    @pytest.mark.parametrize(
        "other",
        [
            {"subs": frozenset()},  # the same suffix again: another read
            {"at": at(1) + timedelta(minutes=15, seconds=1)},
            {"modified_from": at(0.5)},
            {"entries": (entry(modified=False),)},
        ],
        ids=["same suffix", "too far apart", "another date", "another entry"],
    )
    def test_an_event_of_another_read_is_published(self, other):
        sub = {"subs": frozenset({"successful"}), "event_id": "sub", "at": at(1.1)}
        ledger = Ledger().take(a_read(1), a_read(1, **sub | other))
        assert ledger.outcomes == [ProjectionOutcome.PUBLISHED] * 2

    def test_events_of_one_read_at_one_instant_have_one_event_key(self):
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub")
        keys = {project(ReadState(), event).published.event_key for event in (a_read(1), sub)}
        assert len(keys) == 1


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (["Complete", "Complete"], "successful"),
        (["Complete", "NotSupported"], "successful"),
        (["Cancelled", "NotSupported"], "successful"),
        (["Complete", "FetchError"], "unsuccessful"),
        (["Complete", "PrerequisiteNotMet"], "unsuccessful"),
        (["Complete", "NeverHeardOf"], "unsuccessful"),
    ],
)
def test_the_outcome_comes_from_the_entries_not_from_the_suffix(statuses, outcome):
    entries = [entry(connection_id=str(n), status=status) for n, status in enumerate(statuses)]
    for suffix in ("successful", "unsuccessful"):
        event = a_read(1, *entries, subs=frozenset({suffix}))
        assert project(ReadState(), event).published.detail()["outcome"] == outcome


def test_an_event_without_entries_only_sets_the_time_of_the_last_read():
    result = project(Ledger().take(a_read(1)).state, replace(a_read(2), entries=()))
    assert result.published is None
    assert result.state.last_read_at == at(2)


def test_a_state_forgets_the_keys_read_longest_ago_and_reads_without_a_key():
    ledger = Ledger().take(*(a_read(n, entry(connection_id=str(n))) for n in range(MAX_KEYS + 5)))
    assert len(ledger.state.keys) == len(ledger.state.reads) == MAX_KEYS
    assert ReadKey("invoices", "4") not in ledger.state.keys
    ledger.take(a_read(MAX_KEYS + 9, entry(connection_id="4"), since=MAX_KEYS))
    assert ledger.published[-1].windows[0][1] == FULL_LOAD
