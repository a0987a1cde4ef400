"""Which events of a product's reads are published, with which windows; what is remembered."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.product_events.domain.product_event import FULL_LOAD, NOTHING_TO_READ, Window
from codat_hub.product_events.domain.read_event import Key
from codat_hub.product_events.domain.read_state import MAX_KEYS, Outcome, ReadState, project
from tests.support.histories import Ledger, a_read, a_removal, at, entry

INVOICES = Key("invoices", "a")


def since(hours):
    return Window(full_load=False, modified_from=at(hours))


def told(ledger):
    """The windows published, event by event, by data type."""
    return [{e.key.data_type: window for e, window in event.windows} for event in ledger.published]


def test_the_first_event_is_a_full_load_whatever_recordsmodified_says():
    ledger = Ledger().take(a_read(1, entry(modified=False)))
    assert told(ledger) == [{"invoices": FULL_LOAD}]


def test_the_seeds_example_a_daily_b_hourly_both_with_payments():
    daily, hourly = Ledger(), Ledger()
    payments = entry("payments")
    daily.take(a_read(23, payments, since=None, product="a"))
    for hour in range(24, 47):
        hourly.take(a_read(hour, payments, since=hour - 1, product="b"))
    # Codat's date says B's last fetch; A still has everything since yesterday 23:00 to read
    daily.take(a_read(47, payments, since=46, product="a"))
    assert told(daily) == [{"payments": FULL_LOAD}, {"payments": since(23)}]
    assert told(hourly)[1:] == [{"payments": since(hour)} for hour in range(24, 46)]


def test_the_older_of_codats_date_and_the_watermark_counts():
    ledger = Ledger().take(a_read(2), a_read(4, since=1), a_read(6, since=5))
    assert told(ledger)[1:] == [{"invoices": since(1)}, {"invoices": since(4)}]


def test_a_failed_type_keeps_its_watermark_and_the_next_success_covers_the_gap():
    ledger = Ledger().take(
        a_read(1, entry(), entry("payments")),
        a_read(2, entry(), entry("payments", status="FetchError"), since=1),
        a_read(3, entry(), entry("payments"), since=2),
    )
    assert told(ledger)[1:] == [
        {"invoices": since(1), "payments": NOTHING_TO_READ},
        {"invoices": since(2), "payments": since(1)},
    ]


@pytest.mark.parametrize(
    "event",
    [a_read(2, since=None), a_read(2, subs=frozenset({"initial", "successful"}))],
    ids=["codat gives no date", "an initial read"],
)
def test_reasons_of_an_event_for_a_full_load(event):
    assert told(Ledger().take(a_read(1), event))[1] == {"invoices": FULL_LOAD}


@pytest.mark.parametrize("kind", ["balanceSheet", "profitAndLoss", "company"])
def test_a_type_without_modified_date_is_always_read_whole(kind):
    ledger = Ledger().take(a_read(1, entry(kind)), a_read(2, entry(kind), since=1))
    assert told(ledger) == [{kind: FULL_LOAD}] * 2


class TestRemovals:
    def test_after_a_disconnection_only_its_connection_is_loaded_whole(self):
        both = (entry(), entry(connection_id="b"))
        ledger = Ledger().take(a_read(1, *both), a_removal(2, connection="b"))
        ledger.take(a_read(3, *both, since=1), a_read(4, *both, since=3))
        windows = [{e.key.connection_id: w for e, w in event.windows} for event in ledger.published]
        assert windows[1:] == [{"a": since(1), "b": FULL_LOAD}, {"a": since(3), "b": since(3)}]

    def test_after_the_product_was_removed_everything_is_loaded(self):
        ledger = Ledger().take(a_read(1), a_removal(2), a_read(3, since=1))
        assert told(ledger)[1] == {"invoices": FULL_LOAD}

    def test_another_products_removal_means_nothing(self):
        ledger = Ledger().take(a_read(1), a_removal(2, product="other"), a_read(3, since=1))
        assert told(ledger)[1] == {"invoices": since(1)}

    def test_one_that_is_learned_after_the_next_read_is_answered_by_the_one_after(self):
        ledger = Ledger().take(a_read(1), a_read(3, since=1), a_removal(2), a_read(4, since=3))
        ledger.take(a_read(5, since=4))
        assert told(ledger)[1:] == [
            {"invoices": since(1)},
            {"invoices": FULL_LOAD},
            {"invoices": since(4)},
        ]

    def test_a_read_from_before_it_does_not_answer_it(self):
        ledger = Ledger().take(a_read(1), a_removal(3), a_read(2, since=1), a_read(4, since=2))
        assert told(ledger)[1:] == [{"invoices": since(1)}, {"invoices": FULL_LOAD}]

    def test_a_full_load_that_answers_a_removal_is_no_repeat_of_a_smaller_one(self):
        # the projector was killed between publishing and advancing; then the removal came in
        before = Ledger().take(a_read(1))
        without = project(before.state, a_read(3, since=1)).published
        answer = project(before.state, a_read(3, since=1), lambda _: at(2)).published
        assert without.event_key != answer.event_key
        assert answer.covers(replace(without, resets=answer.resets))


class TestLateEvents:
    def test_types_that_nobody_newer_has_reported_are_delivered_the_rest_is_superseded(self):
        ledger = Ledger().take(a_read(3), a_read(2, entry(), entry("payments")))
        assert told(ledger)[1] == {"payments": FULL_LOAD}

    def test_a_late_complete_behind_a_newer_error_counts_and_the_latest_status_stays(self):
        ledger = Ledger().take(a_read(1), a_read(3, entry(status="FetchError")), a_read(2, since=1))
        assert told(ledger)[2] == {"invoices": since(1)}
        known = ledger.state.keys[INVOICES]
        assert (known.status, known.latest.at, known.watermark.at) == ("FetchError", at(3), at(2))

    @pytest.mark.parametrize("status", ["Complete", "FetchError", "NotSupported"])
    def test_a_late_error_is_superseded_by_anything_newer(self, status):
        ledger = Ledger().take(a_read(3, entry(status=status)))
        before = ledger.state
        ledger.take(a_read(2, entry(status="MapError")))
        assert ledger.outcomes[-1] is Outcome.SUPERSEDED
        assert ledger.state == before

    def test_a_late_complete_is_superseded_by_a_newer_one(self):
        ledger = Ledger().take(a_read(3))
        before = ledger.state
        assert ledger.take(a_read(2)).outcomes[-1] is Outcome.SUPERSEDED
        assert ledger.state == before


class TestRepeats:
    def test_the_same_event_under_a_new_webhook_id_changes_nothing(self):
        ledger = Ledger().take(a_read(1))
        before = ledger.state
        ledger.take(a_read(1, webhook_id="msg-portal-recovery"))
        assert (ledger.state, ledger.outcomes[-1]) == (before, Outcome.REPEATED)
        assert len(ledger.published) == 1

    def test_an_old_event_that_is_forgotten_changes_nothing_either(self):
        ledger = Ledger().take(*(a_read(hour, since=hour - 1) for hour in range(1, 50)))
        before = ledger.state
        for hour in range(1, 50):
            ledger.take(a_read(hour, since=hour - 1, webhook_id="msg-again"))
        assert ledger.state == before
        assert len(ledger.published) == 49


class TestSubEvents:
    @pytest.mark.parametrize("seconds", [-890, -1, 0, 1, 890])
    def test_base_and_sub_event_of_one_read_count_once_and_the_earliest_time(self, seconds):
        moment = at(1) + timedelta(seconds=seconds)
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub", at=moment)
        ledger = Ledger().take(a_read(1), sub)
        assert ledger.outcomes == [Outcome.PUBLISHED, Outcome.FOLDED]
        assert ledger.state.keys[INVOICES].watermark.at == min(at(1), moment)
        assert ledger.state == Ledger().take(sub, a_read(1)).state

    def test_a_repeat_of_a_folded_event_changes_nothing(self):
        late = at(1) + timedelta(minutes=1)
        sub = a_read(1, subs=frozenset({"successful"}), event_id="sub", at=late)
        ledger = Ledger().take(a_read(1), sub)
        before = ledger.state
        ledger.take(replace(sub, webhook_id="again"), a_read(1, webhook_id="again too"))
        assert ledger.state == before
        assert ledger.outcomes[2:] == [Outcome.REPEATED] * 2

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
    def test_what_is_not_the_same_read_counts(self, other):
        sub = {"subs": frozenset({"successful"}), "event_id": "sub", "at": at(1.1)}
        ledger = Ledger().take(a_read(1), a_read(1, **sub | other))
        assert ledger.outcomes == [Outcome.PUBLISHED] * 2

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


def test_an_event_without_entries_is_only_a_sign_of_life():
    result = project(Ledger().take(a_read(1)).state, replace(a_read(2), entries=()))
    assert result.published is None
    assert result.state.last_read_at == at(2)


def test_a_state_forgets_the_keys_longest_silent_and_keeps_no_read_without_a_key():
    ledger = Ledger().take(*(a_read(n, entry(connection_id=str(n))) for n in range(MAX_KEYS + 5)))
    assert len(ledger.state.keys) == len(ledger.state.reads) == MAX_KEYS
    assert Key("invoices", "4") not in ledger.state.keys
    ledger.take(a_read(MAX_KEYS + 9, entry(connection_id="4"), since=MAX_KEYS))
    assert ledger.published[-1].windows[0][1] == FULL_LOAD
