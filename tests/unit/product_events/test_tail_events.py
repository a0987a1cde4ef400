"""A tail ends by a person's command or by itself, whatever was left half made."""

from dataclasses import dataclass, field

import pytest

from codat_hub.errors import Absent, Unavailable
from codat_hub.product_events.domain.tail import tail_of
from codat_hub.product_events.usecases.tail_events import EndTail, TailEvents
from tests.support.histories import at


@dataclass
class FakeTails:
    open_ones: dict = field(default_factory=dict)
    fails: bool = False

    def open(self, tail_id, product):
        if self.fails:
            raise Unavailable("no answer")
        self.open_ones[tail_id] = [{"detail": {"product": product}}]

    def receive(self, tail_id):
        events = self.open_ones.get(tail_id)
        if events is not None:
            self.open_ones[tail_id] = []
        return events

    def close(self, tail_id):
        self.open_ones.pop(tail_id, None)


@dataclass
class FakeQueue:
    messages: list = field(default_factory=list)

    def send_later(self, message, seconds):
        assert 0 < seconds <= 900
        self.messages.append(message)


@pytest.fixture
def desk():
    return TailEvents(FakeTails(), FakeQueue(), lambda: at(1), lambda: "0a1b2c3d")


def test_events_come_once_until_it_is_closed(desk):
    tail = desk.open("lending", "ann")
    assert desk.receive(tail.tail_id)[1] == [{"detail": {"product": "lending"}}]
    assert desk.receive(tail.tail_id)[1] == []
    desk.close(tail.tail_id, "ann")
    with pytest.raises(Absent):
        desk.receive(tail.tail_id)
    desk.close(tail.tail_id, "ann")


def test_what_is_no_tail_is_neither_read_nor_closed(desk):
    desk.tails.open_ones["other"] = []
    with pytest.raises(Absent):
        desk.receive("other")
    desk.close("other", "ann")
    assert "other" in desk.tails.open_ones


def test_it_ends_by_itself_after_an_hour_and_not_before(desk):
    tail = desk.open(None, "ann")
    (message,) = desk.queue.messages
    assert not EndTail(desk.tails, lambda: at(1.99))(tail_of(message))
    assert tail.tail_id in desk.tails.open_ones
    assert EndTail(desk.tails, lambda: at(2))(tail_of(message))
    assert not desk.tails.open_ones


def test_one_that_could_not_be_opened_whole_is_ended_in_time_too(desk):
    desk.tails.fails = True
    with pytest.raises(Unavailable):
        desk.open(None, "ann")
    assert len(desk.queue.messages) == 1
