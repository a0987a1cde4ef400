"""Every entry is sent, however many AWS leaves over; a batch that it never takes is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.errors import Unavailable
from codat_hub.storage.batches import TRIES, in_batches


@given(st.lists(st.integers(), max_size=60), st.integers(1, TRIES), st.data())
def test_each_entry_is_taken_once_in_batches_of_the_size_at_most(entries, size, data):
    taken = []

    def send(batch):
        assert 0 < len(batch) <= size
        takes = data.draw(st.integers(1, len(batch)))
        taken.extend(batch[:takes])
        return batch[takes:]

    in_batches(entries, size, send, "it")
    assert taken == entries


def test_nothing_to_send_sends_nothing():
    in_batches([], 10, lambda batch: pytest.fail("sent"), "it")


def test_entries_left_over_are_sent_again_and_entries_taken_are_not():
    sent = []

    def send(batch):
        sent.append(batch)
        return batch[1:]

    in_batches("abc", 2, send, "it")
    assert sent == [["a", "b"], ["b"], ["c"]]


def test_a_batch_that_stays_left_over_is_an_error():
    sent = []
    with pytest.raises(Unavailable, match="the state was not read: AWS keeps leaving over 2 of 2"):
        in_batches("ab", 2, lambda batch: sent.append(batch) or batch, "the state was not read")
    assert len(sent) == TRIES
