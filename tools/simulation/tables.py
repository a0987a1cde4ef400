"""Tables on moto are created from template.yaml."""

from typing import Any

from tools.template import RESOURCES


def create_table(dynamodb: Any, logical_id: str) -> str:
    """Create a table with the keys, indexes and stream that the template gives it."""
    properties = RESOURCES[logical_id]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    request = {name: properties[name] for name in names if name in properties}
    if stream := properties.get("StreamSpecification"):
        _, stream, _ = stream.get("Fn::If", (None, stream, None))
        request["StreamSpecification"] = {"StreamEnabled": True, **stream}
    dynamodb.create_table(TableName=logical_id, **request)
    return logical_id
