"""Where Codat serves the records of each data type (docs/codat.md, C52)."""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Source:
    """A list of records. `path` is below the company, or below its connection.

    An answer that is not paged is one object or one list, and takes no window.
    """

    path: str
    by_connection: bool = False
    paged: bool = True
    query: dict[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ("id",)


_OF_THE_COMPANY: Final = """
    billCreditNotes billPayments bills creditNotes customers invoices items journalEntries journals
    paymentMethods payments purchaseOrders salesOrders suppliers taxRates trackingCategories
"""
_OF_A_CONNECTION: Final = """
    accountTransactions bankAccounts directCosts directIncomes itemReceipts transfers
    banking-accounts banking-transactionCategories banking-transactions
    commerce-customers commerce-disputes commerce-orders commerce-paymentMethods commerce-payments
    commerce-productCategories commerce-products commerce-taxComponents commerce-transactions
"""
# Codat requires both. They ask for the last two years by month.
_PERIODS: Final = {"periodLength": "1", "periodsToCompare": "24"}
_OTHERS: Final = {
    "chartOfAccounts": Source("accounts"),
    "company": Source("info", paged=False),
    "balanceSheet": Source("financials/balanceSheet", paged=False, query=_PERIODS),
    "cashFlowStatement": Source("financials/cashFlowStatement", paged=False, query=_PERIODS),
    "profitAndLoss": Source("financials/profitAndLoss", paged=False, query=_PERIODS),
    # It has a list for each bank account.
    "bankTransactions": Source("bankAccounts/{account}/bankTransactions", by_connection=True),
    "banking-accountBalances": Source(
        "banking-accountBalances", by_connection=True, identity=("accountId", "date")
    ),
    "commerce-companyInfo": Source("commerce-info", by_connection=True, paged=False),
    "commerce-locations": Source("commerce-locations", by_connection=True, paged=False),
}
SOURCES: Final[dict[str, Source]] = {
    **{name: Source(name) for name in _OF_THE_COMPANY.split()},
    **{name: Source(name, by_connection=True) for name in _OF_A_CONNECTION.split()},
    **_OTHERS,
}


def source_of(data_type: str) -> Source:
    """Return the source of a data type; of one that Codat has added, the most likely."""
    by_connection = data_type.startswith(("banking-", "commerce-"))
    return SOURCES.get(data_type) or Source(data_type, by_connection)
