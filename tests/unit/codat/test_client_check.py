"""A check is right only when the bound client and Codat's answer are the same."""

from datetime import UTC, datetime

import pytest

from codat_hub.codat.domain.client_check import ClientCheck

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OURS = "f4a5b6c7-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("bound_to", "reported", "right"),
    [
        (OURS, OURS, True),
        (OURS.upper(), OURS, True),
        (OURS, OURS.upper(), True),
        (OURS, OURS.replace("a", "b"), False),
        (OURS, "", False),
        ("", OURS, False),
        ("", "", False),
    ],
)
def test_a_check_is_right_for_the_same_client_in_any_case_of_letters(bound_to, reported, right):
    assert ClientCheck(bound_to, reported, "1", NOON).right is right
