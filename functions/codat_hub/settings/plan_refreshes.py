"""The environment variables of the Lambda plan_refreshes."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text, whole


@dataclass(frozen=True)
class PlanRefreshesSettings(Settings):
    state_table: str = text()
    refresh_queue_url: str = text()
    refresh_jitter_seconds: int = whole()
