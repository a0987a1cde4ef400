"""The types of ProductReadCompleted, version 1, as in its JSON Schema in events/schemas."""

from typing import Literal, NotRequired, TypedDict


class DataTypeRead(TypedDict):
    """One data type of one connection. Only an entry with status `Complete` has data to read."""

    data_type: str
    connection_id: str
    status: str
    records_modified: bool
    full_load: bool
    modified_from: str | None


class ProductReadCompleted(TypedDict):
    """The event's `detail`. It comes at least once, in any order.

    Dedupe by `event_key` and the envelope's `replay-name`.
    """

    version: Literal[1]
    event_key: str
    webhook_id: str
    company_id: str
    product: str
    standard_products: list[str]
    outcome: Literal["successful", "unsuccessful"]
    part: NotRequired[int]
    parts: NotRequired[int]
    occurred_at: str
    data_types: list[DataTypeRead]
