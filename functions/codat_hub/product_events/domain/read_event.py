"""One read-completed webhook, as the projection sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from codat_hub.codat.domain.data_types import COMPLETE
from codat_hub.products.domain.product import STANDARD

if TYPE_CHECKING:
    from datetime import datetime


class Key(NamedTuple):
    """What a watermark belongs to, within one company and product."""

    data_type: str
    connection_id: str


class ReadId(NamedTuple):
    """Names one read and orders reads by time; equal contents at one instant are one read."""

    at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Entry:
    """How the read of one data type of one connection ended."""

    key: Key
    status: str
    records_modified: bool

    @property
    def complete(self) -> bool:
        return self.status == COMPLETE


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """`at` is Codat's generatedDate, `modified_from` its modifiedFromDate; both aware, in UTC.

    `product` None is a plain `read.completed`. `subs`: which of initial, successful, unsuccessful.
    """

    event_id: str
    webhook_id: str
    company_id: str
    product: str | None
    subs: frozenset[str]
    at: datetime
    modified_from: datetime | None
    entries: tuple[Entry, ...]

    @property
    def initial(self) -> bool:
        return "initial" in self.subs

    @property
    def suffix(self) -> str:
        """The sub-events in one spelling, whatever their order was; `base` for none."""
        return " ".join(sorted(self.subs)) or "base"

    @property
    def published_as(self) -> str:
        return self.product or STANDARD

    @property
    def read_id(self) -> ReadId:
        """Same for the base and the sub-events of one read, if they carry the same time."""
        facts = [repr(self.modified_from)]
        facts += sorted(f"{one.key}{one.status}{one.records_modified}" for one in self.entries)
        return ReadId(self.at, hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16])
