"""Registering products with a deployed hub: which are custom, which standard."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STANDARD: Final = ("lending", "bank-feeds", "payables")


def register(
    client: "DynamoDBClient", state_table: str, custom: list[str], standard: tuple[str, ...]
) -> None:
    """Make these the registered products (functions/codat_hub/adapters/product_registry.py)."""
    kinds = dict.fromkeys(standard, "standard") | dict.fromkeys(custom, "custom")
    client.update_item(
        TableName=state_table,
        Key={"pk": {"S": "CODAT"}, "sk": {"S": "PRODUCTS"}},
        UpdateExpression="SET products = :kinds ADD version :one",
        ExpressionAttributeValues={
            ":kinds": {"M": {name: {"M": {"kind": {"S": kind}}} for name, kind in kinds.items()}},
            ":one": {"N": "1"},
        },
    )
