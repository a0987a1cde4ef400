"""The data types that Codat knows. (Codat OAS: DataStatus.dataType)"""

from __future__ import annotations

from typing import Final

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
# Codat may add one at any time (docs: change policy). Its events are taken in all the same; only
# registering it waits for an entry here, so that a mistyped name is never taken for a new one.
DATA_TYPES: Final = tuple(f"{_ACCOUNTING} {_BANKING} {_COMMERCE}".split())
