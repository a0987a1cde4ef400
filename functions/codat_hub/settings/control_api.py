"""The environment variables of the Lambda control_api."""

from dataclasses import dataclass

from codat_hub.settings import Settings, flag, text, text_or_nothing, whole


@dataclass(frozen=True)
class ControlApiSettings(Settings):
    environment: str = text()
    state_table: str = text()
    consents_table: str = text()
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
    send_products_on_create: bool = flag()
    schedule_group: str = text()
    planner_arn: str = text()
    scheduler_role_arn: str = text()
    schedule_failures_arn: str = text()
    reconcile_queue_url: str = text()
    replay_queue_url: str = text()
    refresh_queue_url: str = text()
    product_bus_arn: str = text()
    product_archive_arn: str = text()
    event_archive_days: int = whole()
    migration_state_machine_arn: str = text()
    migration_approver: str = text()
    signing_secrets_arn: str = text()
