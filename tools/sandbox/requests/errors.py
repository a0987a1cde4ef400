"""Codat's errors with status, service and text as published (docs/codat.md, C3, C19)."""

from typing import Any

READ_IN_PROGRESS = (
    "Data cannot be refreshed while a read operation is in progress. "
    "Allow the read to complete before attempting to refresh."
)


class CodatError(Exception):
    """Codat answers with an error."""

    def __init__(self, status: int, error: str, service: str = "PublicApi") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.service = service

    def body(self, correlation_id: str) -> dict[str, Any]:
        """Return the `ErrorMessage` body."""
        return {
            "statusCode": self.status,
            "service": self.service,
            "error": self.error,
            "correlationId": correlation_id,
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
        }


def invalid_request(reason: str = "") -> CodatError:
    """Return a 400 for an invalid body or parameter; the reason is our addition."""
    detail = f" {reason}" if reason else ""
    return CodatError(400, f"Error processing request - not valid.{detail}")


def malformed_query(service: str = "ClientsApi") -> CodatError:
    """Return a 400 for a `query` or `orderBy` that cannot be parsed."""
    return CodatError(400, "Error parsing query - Malformed query.", service)


def unresolved_property(name: str, on: str, service: str = "ClientsApi") -> CodatError:
    """Return a 400 for a `query` on a property that the resource does not have."""
    text = f"Error parsing query - Could not resolve property {name} on {on}"
    return CodatError(400, text, service)


def unauthorized() -> CodatError:
    """Return a 401 for a wrong or missing API key."""
    return CodatError(401, "Unauthorized")


def key_of_another_client() -> CodatError:
    """Return a 403 for a key of another client."""
    return CodatError(
        403, "You are using an outdated API key or a key not associated with that resource."
    )


def company_not_found(company_id: str) -> CodatError:
    """Return a 404 for a company that never existed or was deleted."""
    return CodatError(404, f"No company was found with ID {company_id}", "ClientsApi")


def connection_not_found(connection_id: str) -> CodatError:
    """Return a 404 for a connection that never existed or was deleted."""
    return CodatError(404, f"Data connection {connection_id} not found")


def too_many_requests() -> CodatError:
    """Return the 429 of any limit."""
    return CodatError(
        429, "You have made too many requests in a given amount of time; please retry later."
    )


def refresh_not_supported(product_name: str) -> CodatError:
    """Return a 400 for refreshing a standard product."""
    return CodatError(
        400,
        f"{product_name} doesn't support data refreshing. For more information, refer to your "
        "solution\N{RIGHT SINGLE QUOTATION MARK}s documentation [here](https://docs.codat.io).",
    )


def invalid_data_types(wrong: list[str], valid: list[str]) -> CodatError:
    """Return a 400 for `dataTypes` that a product lacks; it lists the valid ones (our wording)."""
    return CodatError(
        400,
        f"Invalid data types: {', '.join(wrong)}. Valid data types are: {', '.join(valid)}.",
    )
