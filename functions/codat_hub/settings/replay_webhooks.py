"""What the Lambda replay_webhooks reads from its environment."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text


@dataclass(frozen=True)
class ReplayWebhooksSettings(Settings):
    inbox_table: str = text()
    state_table: str = text()
    product_bus: str = text()
