"""An unreadable item is reported by its key, and costs no other item."""

import pytest

from codat_hub.errors import Unreadable
from codat_hub.storage import reading
from codat_hub.storage.items import ItemKey, Stored
from codat_hub.storage.reading import key_text, read, read_each

KEYS = {ItemKey(f"COMPANY#{name}", "DIRECTORY"): name for name in ("a", "b", "c")}


@pytest.fixture
def reported(monkeypatch):
    """What was logged and counted."""
    reports = []

    class Logger:
        def error(self, message, **facts):
            reports.append((message, facts))

    monkeypatch.setattr(reading, "logger", Logger())
    monkeypatch.setattr(reading, "count", lambda name: reports.append((name, 1)))
    return reports


def size(_name, stored):
    return int(stored.attributes["size"])


def test_a_readable_item_is_what_it_stands_for_and_nothing_is_reported(reported):
    assert read("an item", int, "12", base=8) == 10
    assert reported == []


@pytest.mark.parametrize("text", ["many", None])
def test_an_unreadable_item_is_reported_by_its_key_and_not_by_its_content(reported, text):
    with pytest.raises(Unreadable, match=r"^CODAT / GATE cannot be read$") as raised:
        read(key_text(ItemKey("CODAT", "GATE")), int, text)
    fault = type(raised.value.__cause__).__name__
    assert reported == [
        ("item cannot be read", {"item": "CODAT / GATE", "fault": fault}),
        ("item_unreadable", 1),
    ]


def test_one_unreadable_item_of_many_costs_no_other(reported):
    a, b, _ = KEYS
    found = read_each(KEYS, {a: Stored({"size": "1"}, 1), b: Stored({"size": "x"}, 1)}, size)
    assert (dict(found), found.unreadable) == ({"a": 1}, {"b"})
    assert [facts["item"] for _, facts in reported[:1]] == ["COMPANY#b / DIRECTORY"]


def test_an_item_without_a_version_is_not_the_hubs_and_cannot_be_read(reported):
    a, *_ = KEYS
    assert read_each(KEYS, {a: Stored({"size": "1"}, 0)}, size).unreadable == {"a"}
