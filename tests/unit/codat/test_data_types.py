"""Codat's data types and statuses, against the sandbox's catalogue and the published lists."""

import pytest

from codat_hub.codat.domain.data_types import (
    COMPLETE,
    DATA_TYPES,
    IN_PROGRESS,
    has_modified_date,
    is_unsuccessful,
)
from tools.sandbox.world import catalog

NEUTRAL = ("NotSupported", "Cancelled")


def test_the_data_types_are_the_43_that_codat_documents():
    assert sorted(DATA_TYPES) == sorted(catalog.DATA_TYPES)
    assert len(DATA_TYPES) == 43


@pytest.mark.parametrize("status", [COMPLETE, *NEUTRAL])
def test_a_complete_or_neutral_status_is_no_error(status):
    assert not is_unsuccessful(status)


@pytest.mark.parametrize("status", ["FetchError", "Error", "complete", "", "Pondering"])
def test_an_error_or_unknown_status_is_an_error(status):
    assert is_unsuccessful(status)


def test_a_read_has_nine_statuses_before_its_end():
    assert len(set(IN_PROGRESS)) == 9
    assert not {COMPLETE, *NEUTRAL} & set(IN_PROGRESS)


def test_five_data_types_cannot_be_queried_for_changes():
    whole = {data_type for data_type in DATA_TYPES if not has_modified_date(data_type)}
    assert whole == {
        "balanceSheet",
        "cashFlowStatement",
        "company",
        "profitAndLoss",
        "commerce-companyInfo",
    }


def test_an_unknown_data_type_is_queried_for_changes():
    assert has_modified_date("crypto-wallets")
