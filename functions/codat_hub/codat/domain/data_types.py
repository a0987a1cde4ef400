"""Codat's dataset statuses and data types, as far as a decision hangs on them. Both lists are open.

Sources: docs/codat.md, C48, C49, C50.
"""

from typing import Final

COMPLETE: Final = "Complete"
# In which a read is not over.
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
# Codat may add one at any time (docs/codat.md, C6). Its events are taken in all the same; only
# registering it waits for an entry here, so that a mistyped name is never taken for a new one.
DATA_TYPES: Final = tuple(f"{_ACCOUNTING} {_BANKING} {_COMMERCE}".split())


def is_unsuccessful(status: str) -> bool:
    """Tell whether a status that ended a read is an error; one that we do not know is."""
    return status != COMPLETE and status not in _NEUTRAL


def has_modified_date(data_type: str) -> bool:
    """Tell whether records of this type can be queried by `modifiedDate`."""
    return data_type not in _WITHOUT_MODIFIED_DATE
