"""One refresh of a company at a time: a read may lock all of it (docs/codat.md, C20).

Taken before a call, the lease is held until the company's read-completed event, or half an hour.
Its version is what no wake-up gets lost by: a read event touches a lease that is held, so who was
told "busy" and finds the lease touched since it was taken knows that a read has ended meanwhile.
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
    """`holder`: the product, CLIENT_LEVEL, or None when nobody holds it. `reads`: events seen."""

    holder: str | None = None
    taken_at: datetime | None = None
    until: datetime | None = None
    reads: int = 0

    def held(self, now: datetime) -> bool:
        return self.holder is not None and self.until is not None and now < self.until

    def kept_from(self, product: str | None, now: datetime) -> datetime | None:
        """When this product may try again; None: it may take the lease, or has it already."""
        return self.until if self.held(now) and self.holder != name(product) else None


def name(product: str | None) -> str:
    return CLIENT_LEVEL if product is None else product


def taken(lease: Lease, product: str | None, now: datetime) -> Lease:
    return replace(lease, holder=name(product), taken_at=now, until=now + HELD_FOR)


def untaken(lease: Lease, now: datetime) -> Lease:
    """What to put back for a lease that was taken at `now` in vain; it may have been held."""
    return lease if lease.held(now) else released(lease)


def released(lease: Lease) -> Lease:
    return replace(lease, holder=None, taken_at=None, until=None)


def after_read(lease: Lease, product: str | None, at: datetime) -> Lease:
    """A read of `product` completed at `at`: that ends its own lease, and touches any other's."""
    if lease.holder is None:
        return lease
    touched = replace(lease, reads=lease.reads + 1)
    ours = lease.holder == name(product)
    late = lease.taken_at is not None and at < lease.taken_at - SKEW
    return released(touched) if ours and not late else touched
