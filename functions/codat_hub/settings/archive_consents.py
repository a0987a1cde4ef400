"""The environment variables of the Lambda archive_consents."""

from dataclasses import dataclass

from codat_hub.settings import Settings, text


@dataclass(frozen=True)
class ArchiveConsentsSettings(Settings):
    audit_bucket: str = text()
