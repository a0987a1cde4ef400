"""A product as the client registers it: its data types and its schedule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

STANDARD: Final = "standard"  # the product in events of plain `read.completed`


class ProductKind(StrEnum):
    """Standard products have Codat's data types, custom ones the client's (docs/codat.md, C53)."""

    STANDARD = "standard"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of a custom product's refreshes: an EventBridge Scheduler expression in a zone."""

    expression: str
    timezone: str = "UTC"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Product:
    """A product; `consent_text_version` is the text that customers agree to now, None any text."""

    identifier: str
    kind: ProductKind
    name: str | None = None
    data_types: tuple[str, ...] = ()
    schedule: Schedule | None = None
    team: str | None = None
    consent_text_version: str | None = None
