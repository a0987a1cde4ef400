"""What may be asked for as a replay, and how its progress adds up."""

import pytest

from codat_hub.product_events.domain.replay import (
    MAX_WEBHOOK_IDS,
    MalformedSelection,
    Parked,
    Received,
    Replay,
    Status,
    WebhookIds,
    parse_selection,
)
from tests.support.histories import at

FROM, TO = "2026-07-01T01:00:00Z", "2026-07-01T03:00:00+01:00"


def test_webhooks_by_id_each_once_in_the_order_given():
    assert parse_selection({"webhook_ids": ["b", "a", "b"]}) == WebhookIds(("b", "a"))


def test_everything_that_is_parked():
    assert parse_selection({"parked": True}) == Parked()


def test_what_was_received_within_a_time_and_of_whom():
    selection = {"received_from": FROM, "received_to": TO}
    assert parse_selection(selection) == Received(at(1), at(2))
    narrowed = parse_selection({**selection, "company_id": "c", "product": "p"})
    assert narrowed == Received(at(1), at(2), "c", "p")


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"everything": True},
        {"parked": False},
        {"parked": 1.5},
        {"parked": True, "webhook_ids": ["a"]},
        {"webhook_ids": []},
        {"webhook_ids": "a"},
        {"webhook_ids": [""]},
        {"webhook_ids": [1]},
        {"webhook_ids": ["a\n"]},
        {"webhook_ids": ["\N{SNOWMAN}"]},
        {"webhook_ids": ["a"] * (MAX_WEBHOOK_IDS + 1)},
        {"received_from": FROM},
        {"received_from": FROM, "received_to": FROM},
        {"received_from": TO, "received_to": "yesterday"},
        {"received_from": FROM, "received_to": 5},
        {"received_from": FROM, "received_to": TO, "product": ""},
        {"received_from": FROM, "received_to": TO, "connection": "c"},
    ],
)
def test_anything_else_is_refused_with_a_reason(selection):
    with pytest.raises(MalformedSelection) as raised:
        parse_selection(selection)
    assert str(raised.value)


def test_pages_add_up_and_the_last_one_completes_it():
    replay = Replay("r", Parked(), "ann", at(0), at(0))
    first = replay.after(["published", "parked", "published"], "cursor", at(1))
    assert (first.status, first.cursor, first.over) == (Status.RUNNING, "cursor", False)
    last = first.after(["published"], None, at(2))
    assert last.counts == {"published": 3, "parked": 1}
    assert (last.status, last.updated_at, last.over) == (Status.COMPLETE, at(2), True)
