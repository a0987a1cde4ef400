"""The environment variables of the Lambda replay_webhooks."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text


@dataclass(frozen=True)
class ReplayWebhooksSettings(Settings):
    inbox_table: str = text()
    state_table: str = text()
    product_bus: str = text()
    product_bus_arn: str = text()
