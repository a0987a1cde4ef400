"""One refresh of a company at a time: a read may lock the whole company (docs/codat.md, C20).

A worker takes the lease before its call. The read-completed event ends it. Without an event it ends
after half an hour. Every read event increments the version of a held lease. A worker that got
"busy" compares versions: if the version changed, a read ended meanwhile and the ticket can go at
once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.refresh.domain.ticket import SKEW

if TYPE_CHECKING:
    from datetime import datetime

HELD_FOR: Final = timedelta(minutes=30)
CLIENT_LEVEL: Final = ""  # the holder's name when no product is refreshed


@dataclass(frozen=True, slots=True)
class Lease:
    """A company's lease, free while `holder` is None.

    holder: the product that is refreshed, or CLIENT_LEVEL
    reads: read events seen while it was held
    """

    holder: str | None = None
    taken_at: datetime | None = None
    until: datetime | None = None
    reads: int = 0

    def held(self, now: datetime) -> bool:
        """Tell whether a refresh holds it now."""
        return self.holder is not None and self.until is not None and now < self.until

    def kept_from(self, product: str | None, now: datetime) -> datetime | None:
        """Return when this product may try again; None: it holds the lease or may take it."""
        return self.until if self.held(now) and self.holder != name(product) else None


def name(product: str | None) -> str:
    """Return the holder's name for a refresh of the product; None: by client-level settings."""
    return CLIENT_LEVEL if product is None else product


def taken(lease: Lease, product: str | None, now: datetime) -> Lease:
    """Return the lease as a refresh of the product takes it."""
    return replace(lease, holder=name(product), taken_at=now, until=now + HELD_FOR)


def untaken(lease: Lease, now: datetime) -> Lease:
    """Return what to write back when no call follows; `lease`: as it was before it was taken.

    If it was held, another call of the same product is under way and keeps it.
    """
    return lease if lease.held(now) else released(lease)


def released(lease: Lease) -> Lease:
    """Return the lease without a holder."""
    return replace(lease, holder=None, taken_at=None, until=None)


def after_read(lease: Lease, product: str | None, at: datetime) -> Lease:
    """Return the lease after a read of `product` completed at `at`, as Codat's clock says.

    The read ends the product's own lease. It touches another product's, by the count of reads.
    """
    if lease.holder is None:
        return lease
    touched = replace(lease, reads=lease.reads + 1)
    own = lease.holder == name(product)
    earlier = lease.taken_at is not None and at < lease.taken_at - SKEW
    return released(touched) if own and not earlier else touched
