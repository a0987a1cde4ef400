"""The environment variables of the Lambda run_migration_step."""

from dataclasses import dataclass

from codat_hub.settings import Settings, number, text, text_or_nothing


@dataclass(frozen=True)
class RunMigrationStepSettings(Settings):
    """The variables of a migration's steps.

    wait_scale: factor for every wait; 1, and less only on the local stack
    webhooks_url: the URL of the webhook API, without the consumer's name
    """

    state_table: str = text()
    consents_table: str = text()
    manifest_bucket: str = text()
    codat_api_key_arn: str = text()
    signing_secrets_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    codat_calls_a_second: float = number()
    wait_scale: float = number(zero=True)
    webhooks_url: str = text()
    webhooks_api_id: str = text()
