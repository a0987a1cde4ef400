"""The environment variables of the Lambda dispatch_refreshes."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text


@dataclass(frozen=True)
class DispatchRefreshesSettings(Settings):
    state_table: str = text()
    refresh_queue_url: str = text()
