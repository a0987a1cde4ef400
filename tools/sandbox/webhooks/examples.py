"""Example events, as the Portal's Testing tab sends them, have ids of nothing that exists."""

from typing import Any, Final

from tools.sandbox.world.catalog import event_types

COMPANY_ID: Final = "0498e921-9b53-4396-a412-4f2f5983b0a2"
CONNECTION_ID: Final = "2e9d2c44-f675-40ba-8049-353bfcb5e171"
_NAME: Final = "Example Company Ltd"
_TAGS: Final = {"region": "uk", "owningTeam": "examples"}
_DAY: Final = "2026-01-05T09:00:00.0000000Z"
_NEXT_DAY: Final = "2026-01-06T00:00:00.0000000Z"


def payload(event_type: str, custom_products: dict[str, list[str]]) -> dict[str, Any]:
    """Return an event type's example payload; `custom_products`: identifier → data types.

    Raises KeyError for an event type that does not exist.
    """
    if event_type not in event_types(list(custom_products)):
        raise KeyError(event_type)
    if event_type.startswith("company.product."):
        return _product_change()
    if event_type.startswith("company."):
        return _company()
    if event_type.startswith("connection."):
        return _connection(event_type)
    if event_type.startswith("client.rateLimit."):
        return _rate_limit(event_type)
    if ".write." in event_type:
        return _write(event_type)
    product, _, _ = event_type.rpartition("read.completed")
    data_types = custom_products.get(product.removesuffix("."), ["invoices", "payments"])
    return _read(event_type, data_types)


def _reference() -> dict[str, Any]:
    return {
        "id": COMPANY_ID,
        "name": _NAME,
        "links": {"portal": f"https://app.codat.io/companies/{COMPANY_ID}/summary"},
        "tags": _TAGS,
    }


def _company() -> dict[str, Any]:
    return {
        "id": COMPANY_ID,
        "name": _NAME,
        "redirect": f"https://link.codat.io/company/{COMPANY_ID}",
        "created": _DAY,
        "products": ["lending"],
        "tags": _TAGS,
        "referenceSubsidiaryCompanies": [],
    }


def _product_change() -> dict[str, Any]:
    return {
        "id": COMPANY_ID,
        "name": _NAME,
        "productId": "lending",
        "productName": "Lending",
        "products": ["lending"],
    }


def _connection(event_type: str) -> dict[str, Any]:
    statuses = {"created": "PendingAuth", "failed": "PendingAuth", "disconnected": "Deauthorized"}
    connection = {
        "id": CONNECTION_ID,
        "integrationId": "fd321cb6-7963-4506-b873-e99593a45e30",
        "integrationKey": "gbol",
        "sourceId": "8a156a5a-39cb-4f9d-856e-76ef9b9a9607",
        "platformName": "Xero",
        "linkUrl": f"https://link-api.codat.io/companies/{COMPANY_ID}/connections/{CONNECTION_ID}/start",
        "status": statuses.get(event_type.rpartition(".")[2], "Linked"),
        "created": _DAY,
        "sourceType": "Accounting",
    }
    return {"referenceCompany": _reference(), "connection": connection}


def _rate_limit(event_type: str) -> dict[str, Any]:
    left = 0 if event_type.endswith("reached") else 101_000
    return {"dailyQuota": 101_000, "quotaRemaining": left, "expiryDate": _NEXT_DAY}


def _write(event_type: str) -> dict[str, Any]:
    failed = event_type.endswith("unsuccessful")
    return {
        "id": "5a9a8ee0-5a87-4b62-8e31-9f3a1d6a4f60",
        "type": "Create",
        "referenceCompany": _reference(),
        "connectionId": CONNECTION_ID,
        "requestedOnDate": _DAY,
        "completedOnDate": _DAY,
        "status": "Failed" if failed else "Success",
    }


def _read(event_type: str, data_types: list[str]) -> dict[str, Any]:
    failed = "unsuccessful" in event_type
    entries: list[dict[str, Any]] = [
        {
            "connectionId": CONNECTION_ID,
            "dataType": data_type,
            "recordsModified": "initial" not in event_type and not failed,
            "status": "FetchError" if failed and not number else "Complete",
            "issues": [],
        }
        for number, data_type in enumerate(data_types)
    ]
    return {"referenceCompany": _reference(), "modifiedFromDate": _DAY, "dataTypes": entries}
