"""Refresh tickets: one item each of the State table, below their company."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.dispatch import DueTicket
from codat_hub.refresh.domain.ticket import Failure, Ticket, TicketStatus
from codat_hub.storage.items import (
    ItemKey,
    Listed,
    Stored,
    attributes,
    company_key,
    moment_or_none,
    spell,
)
from codat_hub.storage.reading import key_text, read, read_each

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codat_hub.storage.found import Found
    from codat_hub.storage.state_table import StateTable

_TICKET: Final = "REFRESH#TICKET#"
_UP_TO: Final = "~"  # sorts after the rest of a rank


class TicketStore:
    """Each item has the fields of domain/ticket.py, with two exceptions.

    key: `[value, open_since, unresolved_since]`
    trouble: the ticket's failure, `[kind, text, correlation id]`

    The product of a ticket by client-level settings is empty. Open tickets are listed in the order
    they are due, in a group for each product, so the dispatcher finds the first of each at once.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, company_id: str, product: str | None) -> tuple[Ticket | None, int]:
        """Return the ticket, open or closed, and its version; None and 0 if there never was one.

        Raises Unreadable.
        """
        key = _key(company_id, product)
        stored = self._table.get(key)
        return (read(key_text(key), _ticket, stored) if stored.version else None), stored.version

    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> Found[tuple[str, str | None], tuple[Ticket, int]]:
        """Return the tickets that exist, by company and product, with their versions."""
        keys = {_key(*pair): pair for pair in pairs}
        return read_each(keys, self._table.get_many(keys), _with_version)

    def put(self, ticket: Ticket, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        key = _key(ticket.company_id, ticket.product)
        return self._table.put(key, _item(ticket), version, _listed(ticket))

    def postpone(self, company_id: str, product: str | None, until: datetime) -> None:
        """List a ticket that cannot be read as due at `until`, and leave its attributes alone."""
        key = _key(company_id, product)
        stored = self._table.get(key)
        later = Listed(_group(product), _rank(until, company_id))
        self._table.put(key, stored.attributes, stored.version, later)

    def of_company(self, company_id: str) -> list[tuple[Ticket, int]]:
        """Return the company's readable tickets with their versions, by product."""
        found = dict(self._table.under(company_key(company_id, _TICKET)))
        return list(read_each({key: key for key in found}, found, _with_version).values())

    def due(
        self, product: str | None, now: datetime, limit: int, after: str | None = None
    ) -> list[DueTicket]:
        """Return up to `limit` tickets that are due, the longest due first.

        after: the place of a ticket; only tickets behind it

        The index lags a little behind, so read a ticket before you act on it.
        """
        listed = self._table.listed(
            _group(product), after=after, up_to=spell(now) + _UP_TO, limit=limit
        )
        return [DueTicket(key.pk.removeprefix("COMPANY#"), product, place) for place, key in listed]


def _key(company_id: str, product: str | None) -> ItemKey:
    return company_key(company_id, _TICKET + (product or ""))


def _group(product: str | None) -> str:
    return f"DUE#{product or ''}"


def _listed(ticket: Ticket) -> Listed | None:
    if not ticket.open:
        return None
    return Listed(_group(ticket.product), _rank(ticket.due_at, ticket.company_id))


def _rank(due_at: datetime, company_id: str) -> str:
    return f"{spell(due_at)}#{company_id}"


def _item(ticket: Ticket) -> dict[str, Any]:
    item = attributes(ticket)
    key, failure = item["key"], item.pop("failure")
    return {
        **item,
        "key": key and [key["value"], key["open_since"], key["unresolved_since"]],
        "trouble": failure and [failure["kind"], failure["text"], failure["correlation_id"]],
    }


def _with_version(_name: object, stored: Stored) -> tuple[Ticket, int]:
    return _ticket(stored), stored.version


def _ticket(stored: Stored) -> Ticket:
    item = stored.attributes
    data_types = item.get("data_types")
    return Ticket(
        company_id=item["company_id"],
        product=item.get("product"),
        opened_at=datetime.fromisoformat(item["opened_at"]),
        due_at=datetime.fromisoformat(item["due_at"]),
        deadline=datetime.fromisoformat(item["deadline"]),
        status=TicketStatus(item["status"]),
        slot=moment_or_none(item.get("slot")),
        requested_by=item.get("requested_by"),
        data_types=None if data_types is None else tuple(data_types),
        generation=int(item["generation"]),
        attempts=int(item["attempts"]),
        backoffs=int(item["backoffs"]),
        key=_held_key(item.get("key")),
        called_at=moment_or_none(item.get("called_at")),
        accepted_at=moment_or_none(item.get("accepted_at")),
        waits_for=Waits(item["waits_for"]) if item.get("waits_for") else None,
        failure=Failure(*item["trouble"]) if item.get("trouble") else None,
    )


def _held_key(row: list[str | None] | None) -> HeldKey | None:
    if row is None:
        return None
    value, open_since, unresolved_since = row
    return HeldKey(value, moment_or_none(open_since), moment_or_none(unresolved_since))
