"""A product as the client has registered it: which data it reads, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

STANDARD: Final = "standard"  # what plain `read.completed` is published as


class ProductKind(StrEnum):
    """For a standard product Codat sets the data types, else the client (docs/codat.md, C53)."""

    STANDARD = "standard"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a custom product is refreshed: an EventBridge Scheduler expression in an IANA zone."""

    expression: str
    timezone: str = "UTC"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Product:
    """`consent_text_version`: the text that customers agree to now; None: any version will do."""

    identifier: str
    kind: ProductKind
    name: str | None = None
    data_types: tuple[str, ...] = ()
    schedule: Schedule | None = None
    team: str | None = None
    consent_text_version: str | None = None
