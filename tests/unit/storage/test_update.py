"""After a lost race the decision is made again from the new value, TRIES times at most."""

import pytest

from codat_hub.errors import Unavailable
from codat_hub.storage.update import TRIES, Updated, update


class Number:
    """A versioned number; before each write another request writes a value of `losing`."""

    def __init__(self, value=0, losing=()):
        self.value, self.version, self.losing = value, 0, list(losing)

    def read(self):
        return self.value, self.version

    def write(self, value, version):
        if self.losing:
            self.value, self.version = self.losing.pop(0), self.version + 1
        if version != self.version:
            return False
        self.value, self.version = value, version + 1
        return True


def test_a_value_is_replaced_by_the_decision_on_it():
    number = Number(1)
    assert update(number.read, lambda value: value + 1, number.write, "it") == Updated(1, 2)
    assert number.read() == (2, 1)


def test_none_leaves_the_value_and_writes_nothing():
    number = Number(1)
    assert update(number.read, lambda _: None, number.write, "it") == Updated(1, None)
    assert number.read() == (1, 0)


def test_after_a_lost_race_the_decision_is_made_on_the_new_value():
    number = Number(1, losing=[10, 20])
    assert update(number.read, lambda value: value + 1, number.write, "it") == Updated(20, 21)


def test_a_decision_may_leave_the_value_that_the_winner_wrote():
    number = Number(1, losing=[10])
    decide = lambda value: None if value == 10 else 2  # noqa: E731
    assert update(number.read, decide, number.write, "it") == Updated(10, None)
    assert number.value == 10


def test_it_gives_up_after_ten_lost_races_and_names_the_value():
    number = Number(losing=range(100, 100 + TRIES))
    pauses = []
    with pytest.raises(Unavailable, match="others keep changing the number at the same time"):
        update(
            number.read, lambda value: value + 1, number.write, "the number", pause=pauses.append
        )
    assert pauses == list(range(1, TRIES + 1))
    assert number.value == 100 + TRIES - 1


def test_an_error_of_the_decision_reaches_the_caller():
    number = Number()
    with pytest.raises(ZeroDivisionError):
        update(number.read, lambda value: 1 // value, number.write, "it")
    assert number.version == 0
