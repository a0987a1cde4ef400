"""The last comparison of the bound Codat client with Codat's answer, in the State table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.errors import Unreadable
from codat_hub.storage.items import CODAT, ItemKey, attributes
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "CLIENT")


class ClientCheckStore:
    """The comparison in an item: `bound_to`, `reported`, `key_version`, `checked_at`."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def last(self) -> ClientCheck | None:
        """Return the last comparison; None if there is none, or it cannot be read.

        In both cases the caller asks Codat and stores the answer. Raises Unavailable.
        """
        return self._read()[0]

    def keep(self, check: ClientCheck) -> None:
        """Store a comparison; one that another process stores at the same time is as good."""
        _, version = self._read()
        self._table.put(_KEY, attributes(check), version)

    def _read(self) -> tuple[ClientCheck | None, int]:
        stored = self._table.get(_KEY)
        if not stored.version:
            return None, 0
        try:
            return read(key_text(_KEY), _check, stored.attributes), stored.version
        except Unreadable:
            return None, stored.version


def _check(item: Mapping[str, Any]) -> ClientCheck:
    return ClientCheck(
        bound_to=item["bound_to"],
        reported=item["reported"],
        key_version=item["key_version"],
        checked_at=datetime.fromisoformat(item["checked_at"]),
    )
