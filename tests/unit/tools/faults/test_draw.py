"""A seed draws the same faults again, about as many as asked for, of every kind."""

from collections import Counter
from itertools import islice

import pytest

from tools.faults.draw import CODAT, OPERATIONS, codat_faults, rules


def test_a_seed_repeats_its_rules_and_another_draws_others():
    assert rules(1, 0.02) == rules(1, 0.02) != rules(2, 0.02)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_each_operation_fails_about_as_often_as_asked_for(share):
    expected: Counter[str] = Counter()
    for rule in rules(3, share):
        assert rule["sequence"]["fail"] == 1
        name = f"{rule['service']}.{rule['operation']}"
        expected[name] += 1 / (1 + rule["sequence"]["pass"])
    assert len(expected) == len(OPERATIONS)
    assert all(found == pytest.approx(share, rel=0.3) for found in expected.values())


def test_each_operation_meets_every_kind():
    kinds = {
        (
            rule["operation"],
            next(name for name in ("error", "reset", "response", "timeout_ms") if name in rule),
        )
        for rule in rules(3, 0.1)
    }
    assert len(kinds) == 4 * len({operation for _, operation in OPERATIONS})


def test_codat_fails_in_turn_in_the_order_of_the_seed():
    drawn = list(islice(codat_faults(1), 2 * len(CODAT)))
    assert drawn == list(islice(codat_faults(1), 2 * len(CODAT)))
    for turn in (drawn[: len(CODAT)], drawn[len(CODAT) :]):
        assert all(any(fault.items() <= one.items() for one in turn) for fault in CODAT)
