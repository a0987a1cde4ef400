"""Selections of a replay are parsed strictly, and its progress adds up."""

import pytest

from codat_hub.product_events.domain.replay import (
    MAX_WEBHOOK_IDS,
    MalformedSelection,
    Parked,
    ReceivedBetween,
    Replay,
    ReplayStatus,
    WebhookIds,
    parse_selection,
)
from tests.support.histories import at

FROM, TO = "2026-07-01T01:00:00Z", "2026-07-01T03:00:00+01:00"


def test_webhooks_by_id_each_once_in_the_order_given():
    assert parse_selection({"webhook_ids": ["b", "a", "b"]}) == WebhookIds(("b", "a"))


def test_all_parked_webhooks():
    assert parse_selection({"parked": True}) == Parked()


def test_webhooks_received_between_two_times_of_a_company_and_product():
    selection = {"received_from": FROM, "received_to": TO}
    assert parse_selection(selection) == ReceivedBetween(at(1), at(2))
    narrowed = parse_selection({**selection, "company_id": "c", "product": "p"})
    assert narrowed == ReceivedBetween(at(1), at(2), "c", "p")


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
    assert (first.status, first.cursor, first.over) == (ReplayStatus.RUNNING, "cursor", False)
    last = first.after(["published"], None, at(2))
    assert last.counts == {"published": 3, "parked": 1}
    assert (last.status, last.updated_at, last.over) == (ReplayStatus.COMPLETE, at(2), True)
