"""Where Codat serves the records of each data type (docs/codat.md, C52)."""

from typing import Final

_NAMES: Final = {
    "balanceSheet": "financials/balanceSheet",
    "cashFlowStatement": "financials/cashFlowStatement",
    "chartOfAccounts": "accounts",
    "commerce-companyInfo": "commerce-info",
    "company": "info",
    "profitAndLoss": "financials/profitAndLoss",
}
_OF_A_CONNECTION: Final = frozenset(
    {
        "accountTransactions",
        "bankAccounts",
        "bankTransactions",
        "directCosts",
        "directIncomes",
        "itemReceipts",
        "transfers",
    }
)
_GROUPS_OF_A_CONNECTION: Final = ("banking-", "commerce-")
# One object, or a list without pages and without a query.
_WHOLE: Final = frozenset(
    {
        "balanceSheet",
        "cashFlowStatement",
        "commerce-companyInfo",
        "commerce-locations",
        "company",
        "profitAndLoss",
    }
)
BANK_TRANSACTIONS: Final = "bankTransactions"


def path_of(company: str, connection: str, data_type: str) -> str:
    """Return the path of a data type; a new data type has the usual one.

    `bankTransactions` have one for each bank account: `path_of_bank_transactions`.
    """
    name = _NAMES.get(data_type, data_type)
    if data_type in _OF_A_CONNECTION or data_type.startswith(_GROUPS_OF_A_CONNECTION):
        return f"/companies/{company}/connections/{connection}/data/{name}"
    return f"/companies/{company}/data/{name}"


def path_of_bank_transactions(company: str, connection: str, account: str) -> str:
    accounts = path_of(company, connection, "bankAccounts")
    return f"{accounts}/{account}/{BANK_TRANSACTIONS}"


def is_whole(data_type: str) -> bool:
    """Tell whether Codat answers with everything at once, whatever was asked for."""
    return data_type in _WHOLE
