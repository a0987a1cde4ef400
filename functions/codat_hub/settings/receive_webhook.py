"""The environment variables of the Lambda receive_webhook."""

from dataclasses import dataclass

from codat_hub.settings import Settings, count, text


@dataclass(frozen=True)
class ReceiveWebhookSettings(Settings):
    inbox_table: str = text()
    signing_secrets_arn: str = text()
    inbox_retention_days: int = count()
    secret_reload_seconds: int = count()
