"""The last comparison of the bound Codat client with Codat's own word, in the State table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.errors import Unreadable
from codat_hub.storage.items import CODAT, ItemKey, spell
from codat_hub.storage.reading import read, spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "CLIENT")


class ClientChecks:
    """The item: `bound_to`, `reported`, `key_version`, `checked_at`."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def last(self) -> ClientCheck | None:
        """Return it as it is now; None if there never was one. Raises Unavailable.

        None too for one that cannot be read: Codat is asked, and the answer replaces it.
        """
        return self._read()[0]

    def keep(self, check: ClientCheck) -> None:
        """Remember it. Whoever keeps another one at the same time may win: both are fresh."""
        _, version = self._read()
        item = {
            "bound_to": check.bound_to,
            "reported": check.reported,
            "key_version": check.key_version,
            "checked_at": spell(check.checked_at),
        }
        self._table.put(_KEY, item, version)

    def _read(self) -> tuple[ClientCheck | None, int]:
        stored = self._table.get(_KEY)
        if not stored.version:
            return None, 0
        try:
            return read(spelt(_KEY), _check, stored.attributes), stored.version
        except Unreadable:
            return None, stored.version


def _check(item: Mapping[str, Any]) -> ClientCheck:
    return ClientCheck(
        bound_to=item["bound_to"],
        reported=item["reported"],
        key_version=item["key_version"],
        checked_at=datetime.fromisoformat(item["checked_at"]),
    )
