"""Codat's data types, and the statuses of a dataset that decide something.

Sources: docs/codat.md, C48, C49, C50. Codat may add to both (C6).
"""

from typing import Final

COMPLETE: Final = "Complete"
# The statuses of a read that is not over.
IN_PROGRESS: Final = (
    "Initial",
    "Queued",
    "Fetching",
    "MapQueued",
    "Mapping",
    "ProcessingQueued",
    "Processing",
    "ValidationQueued",
    "Validating",
)
_NEUTRAL: Final = frozenset({"NotSupported", "Cancelled"})
# A consumer cannot ask for changes of these, so it reads them whole.
_WITHOUT_MODIFIED_DATE: Final = frozenset(
    {
        "balanceSheet",
        "cashFlowStatement",
        "company",
        "profitAndLoss",
        "commerce-companyInfo",
    }
)
_ACCOUNTING: Final = """
    accountTransactions balanceSheet bankAccounts bankTransactions billCreditNotes billPayments
    bills cashFlowStatement chartOfAccounts company creditNotes customers directCosts directIncomes
    invoices itemReceipts items journalEntries journals paymentMethods payments profitAndLoss
    purchaseOrders salesOrders suppliers taxRates trackingCategories transfers
"""
_BANKING: Final = """
    banking-accountBalances banking-accounts banking-transactionCategories banking-transactions
"""
_COMMERCE: Final = """
    commerce-companyInfo commerce-customers commerce-disputes commerce-locations commerce-orders
    commerce-paymentMethods commerce-payments commerce-productCategories commerce-products
    commerce-taxComponents commerce-transactions
"""
# Events of other data types are published too. Only registering one needs an entry here, so that
# a mistyped name does not pass for a new data type.
DATA_TYPES: Final = tuple(f"{_ACCOUNTING} {_BANKING} {_COMMERCE}".split())


def is_unsuccessful(status: str) -> bool:
    """Tell whether a read ended with an error; an unknown status counts as one."""
    return status != COMPLETE and status not in _NEUTRAL


def has_modified_date(data_type: str) -> bool:
    """Tell whether records of this type can be queried by `modifiedDate`."""
    return data_type not in _WITHOUT_MODIFIED_DATE
