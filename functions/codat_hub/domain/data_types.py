"""Codat's dataset statuses and data types, as far as a decision hangs on them. Both lists are open.

Sources: Codat OAS PullOperation (statuses); Codat docs "Modified dates" (types without one).
"""

from typing import Final

COMPLETE: Final = "Complete"
_NEUTRAL: Final = frozenset({"NotSupported", "Cancelled"})
# Whoever reads these cannot ask for "changed since": they are read whole.
_WITHOUT_MODIFIED_DATE: Final = frozenset(
    {
        "balanceSheet",
        "cashFlowStatement",
        "company",
        "profitAndLoss",
        "commerce-companyInfo",
    }
)


def is_unsuccessful(status: str) -> bool:
    """Tell whether a status that ended a read is an error; one that we do not know is."""
    return status != COMPLETE and status not in _NEUTRAL


def has_modified_date(data_type: str) -> bool:
    """Tell whether records of this type can be queried by `modifiedDate`."""
    return data_type not in _WITHOUT_MODIFIED_DATE
