"""Whether the Codat API key is of the client that this stack is bound to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """One comparison with Codat.

    bound_to: the parameter CodatClientId, which may be empty
    reported: the clientId that Codat gave
    key_version: which version of the API key's secret Codat was asked with
    """

    bound_to: str
    reported: str
    key_version: str
    checked_at: datetime

    @property
    def right(self) -> bool:
        """Ids are UUIDs, which some write in capitals."""
        return bool(self.bound_to) and self.bound_to.casefold() == self.reported.casefold()
