"""The environment variables of the Lambda reconcile."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text, text_or_nothing


@dataclass(frozen=True)
class ReconcileSettings(Settings):
    state_table: str = text()
    consents_table: str = text()
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    signing_secrets_arn: str = text()
    webhooks_url: str = text()
    webhooks_api_id: str = text()
    migration_state_machine_arn: str = text()
