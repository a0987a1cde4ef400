"""Each queue has its fair share when more is due than may be sent."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.refresh.domain.fair_share import in_turn

queues = st.lists(st.integers(0, 40), max_size=6).map(
    lambda sizes: [[(name, place) for place in range(size)] for name, size in enumerate(sizes)]
)


@given(queues, st.integers(0, 100))
def test_all_capacity_is_used_and_each_queue_keeps_its_order(waiting, capacity):
    taken = list(islice(in_turn(waiting), capacity))
    assert len(taken) == min(capacity, sum(map(len, waiting)))
    for queue in waiting:
        mine = [entry for entry in taken if entry in queue]
        assert mine == queue[: len(mine)]


@given(queues, st.integers(0, 100))
def test_no_queue_gets_two_more_than_a_queue_that_still_waits(waiting, capacity):
    taken = list(islice(in_turn(waiting), capacity))
    counts = [sum(entry in queue for entry in taken) for queue in waiting]
    for queue, count in zip(waiting, counts, strict=True):
        if count < len(queue):
            assert max(counts) <= count + 1


@given(queues, st.integers(0, 100))
def test_a_queue_is_read_no_further_than_its_turns(waiting, capacity):
    read = []

    def noting(queue):
        for entry in queue:
            read.append(entry)
            yield entry

    taken = list(islice(in_turn([noting(queue) for queue in waiting]), capacity))
    assert read == taken
