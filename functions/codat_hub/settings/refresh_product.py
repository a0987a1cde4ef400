"""The environment variables of the Lambda refresh_product."""

from dataclasses import dataclass

from codat_hub.settings import COMPANY_SCOPE, PRODUCT_SCOPE, Settings, one_of, text, text_or_nothing


@dataclass(frozen=True)
class RefreshProductSettings(Settings):
    state_table: str = text()
    refresh_queue_url: str = text()
    lease_scope: str = one_of(COMPANY_SCOPE, PRODUCT_SCOPE)
    codat_api_key_arn: str = text()
    codat_base_url: str = text()
    codat_client_id: str = text_or_nothing()
