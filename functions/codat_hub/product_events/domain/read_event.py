"""A read-completed webhook as the projection uses it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from codat_hub.codat.domain.data_types import COMPLETE
from codat_hub.products.domain.product import STANDARD

if TYPE_CHECKING:
    from datetime import datetime


class ReadKey(NamedTuple):
    """The data type and connection that has a watermark, within one product of a company."""

    data_type: str
    connection_id: str

    @property
    def text(self) -> str:
        """Return the text in stored fingerprints and published event keys; it must never change."""
        return f"Key(data_type={self.data_type!r}, connection_id={self.connection_id!r})"


class ReadId(NamedTuple):
    """Identifies a read and orders reads by time; equal contents at one instant are one read."""

    at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """The result of reading one data type of one connection."""

    key: ReadKey
    status: str
    records_modified: bool

    @property
    def complete(self) -> bool:
        return self.status == COMPLETE


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """The facts of a read-completed webhook.

    product: None for a plain `read.completed`
    subs: the sub-events, any of initial, successful and unsuccessful
    at: when the read ended: Codat's generatedDate, or when the hub received the event if earlier
    generated: Codat's generatedDate as it is, which may be ahead; times are aware, in UTC
    modified_from: Codat's modifiedFromDate, aware, in UTC; None if there is none
    """

    event_id: str
    webhook_id: str
    company_id: str
    product: str | None
    subs: frozenset[str]
    at: datetime
    generated: datetime
    modified_from: datetime | None
    entries: tuple[ReadEntry, ...]

    @property
    def initial(self) -> bool:
        return "initial" in self.subs

    @property
    def suffix(self) -> str:
        """Return the sub-events as one text whatever their order, `base` if there are none."""
        return " ".join(sorted(self.subs)) or "base"

    @property
    def published_as(self) -> str:
        return self.product or STANDARD

    @property
    def read_id(self) -> ReadId:
        """Return an id that all events of a read share if they carry the same time."""
        facts = [repr(self.modified_from)]
        facts += sorted(
            f"{entry.key.text}{entry.status}{entry.records_modified}" for entry in self.entries
        )
        return ReadId(self.at, hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16])
