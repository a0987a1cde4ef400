"""Codat's data types, statuses and event types (docs/codat.md, C27, C48, C49)."""

from typing import Final

ACCOUNTING_TYPES: Final = [
    "accountTransactions",
    "balanceSheet",
    "bankAccounts",
    "bankTransactions",
    "billCreditNotes",
    "billPayments",
    "bills",
    "cashFlowStatement",
    "chartOfAccounts",
    "company",
    "creditNotes",
    "customers",
    "directCosts",
    "directIncomes",
    "invoices",
    "itemReceipts",
    "items",
    "journalEntries",
    "journals",
    "paymentMethods",
    "payments",
    "profitAndLoss",
    "purchaseOrders",
    "salesOrders",
    "suppliers",
    "taxRates",
    "trackingCategories",
    "transfers",
]
BANKING_TYPES: Final = [
    "banking-accountBalances",
    "banking-accounts",
    "banking-transactionCategories",
    "banking-transactions",
]
COMMERCE_TYPES: Final = [
    f"commerce-{name}"
    for name in [
        "companyInfo",
        "customers",
        "disputes",
        "locations",
        "orders",
        "paymentMethods",
        "payments",
        "productCategories",
        "products",
        "taxComponents",
        "transactions",
    ]
]
DATA_TYPES: Final = (*ACCOUNTING_TYPES, *BANKING_TYPES, *COMMERCE_TYPES)

TYPES_BY_SOURCE: Final = {
    "Accounting": frozenset(ACCOUNTING_TYPES),
    "Banking": frozenset(BANKING_TYPES),
    "Commerce": frozenset(COMMERCE_TYPES),
}

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
COMPLETE: Final = "Complete"
ERRORS: Final = (
    "FetchError",
    "MapError",
    "InternalError",
    "ProcessingError",
    "ValidationError",
    "AuthError",
    "RateLimitError",
    "PermissionsError",
    "PrerequisiteNotMet",
)
NEUTRAL: Final = ("NotSupported", "Cancelled")
FINAL: Final = (COMPLETE, *ERRORS, *NEUTRAL)

# Where records are read: data type → path, below the company …
_LISTS: Final = """
    billCreditNotes billPayments bills creditNotes customers invoices items journalEntries journals
    paymentMethods payments purchaseOrders salesOrders suppliers taxRates trackingCategories
"""
_COMPANY_PATHS: Final = {name: name for name in _LISTS.split()} | {
    "chartOfAccounts": "accounts",
    "company": "info",
    "balanceSheet": "financials/balanceSheet",
    "cashFlowStatement": "financials/cashFlowStatement",
    "profitAndLoss": "financials/profitAndLoss",
}
COMPANY_DATA: Final = {path: name for name, path in _COMPANY_PATHS.items()}
# … and every other one under its connection. Bank transactions are under their account.
_CONNECTION_PATHS: Final = {
    name: "commerce-info" if name == "commerce-companyInfo" else name
    for name in DATA_TYPES
    if name not in _COMPANY_PATHS and name != "bankTransactions"
}
CONNECTION_DATA: Final = {path: name for name, path in _CONNECTION_PATHS.items()}
# These are one object without a modifiedDate (docs/codat.md, C50).
SINGLE: Final = frozenset(
    {"company", "balanceSheet", "cashFlowStatement", "profitAndLoss", "commerce-companyInfo"}
)

READ_SUFFIXES: Final = (
    "",
    ".initial",
    ".successful",
    ".unsuccessful",
    ".successful.initial",
    ".unsuccessful.initial",
)
WRITE_TYPES: Final = [
    "bankAccounts",
    "bankTransactions",
    "billCreditNotes",
    "billPayments",
    "bills",
    "chartOfAccounts",
    "creditNotes",
    "customers",
    "directCosts",
    "directIncomes",
    "invoices",
    "items",
    "journalEntries",
    "journals",
    "payments",
    "purchaseOrders",
    "suppliers",
    "transfers",
]
COMPANY_EVENTS: Final = ("company.created", "company.deleted")
PRODUCT_EVENTS: Final = ("company.product.added", "company.product.removed")
CONNECTION_EVENTS: Final = (
    "connection.created",
    "connection.connected",
    "connection.failed",
    "connection.disconnected",
    "connection.reconnected",
    "connection.deleted",
)
RATE_LIMIT_EVENTS: Final = ("client.rateLimit.reached", "client.rateLimit.reset")


def read_events(product: str | None) -> list[str]:
    """Return the event types of a custom product's reads; None: of plain reads."""
    prefix = f"{product}." if product else ""
    return [f"{prefix}read.completed{suffix}" for suffix in READ_SUFFIXES]


def event_types(custom_products: list[str]) -> list[str]:
    """Return every event type that this client's Portal offers."""
    return [
        *COMPANY_EVENTS,
        *PRODUCT_EVENTS,
        *CONNECTION_EVENTS,
        *(name for product in (None, *custom_products) for name in read_events(product)),
        *(
            f"{data_type}.write.{outcome}"
            for data_type in WRITE_TYPES
            for outcome in ("successful", "unsuccessful")
        ),
        *RATE_LIMIT_EVENTS,
    ]
