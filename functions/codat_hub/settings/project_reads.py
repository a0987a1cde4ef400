"""The environment variables of the Lambda project_reads."""

from dataclasses import dataclass

from codat_hub.settings import COMPANY_SCOPE, PRODUCT_SCOPE, Settings, one_of, text


@dataclass(frozen=True)
class ProjectReadsSettings(Settings):
    state_table: str = text()
    product_bus: str = text()
    refresh_queue_url: str = text()
    lease_scope: str = one_of(COMPANY_SCOPE, PRODUCT_SCOPE)
