"""The environment variables of the Lambda watch_migrations."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text


@dataclass(frozen=True)
class WatchMigrationsSettings(Settings):
    state_table: str = text()
    migration_state_machine_arn: str = text()
