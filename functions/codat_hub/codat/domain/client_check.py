"""A comparison of the stack's Codat client with the client of the API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """A comparison of the bound Codat client with Codat's answer.

    bound_to: the parameter CodatClientId, which may be empty
    reported: Codat's clientId for the API key
    key_version: the version of the secret that held the key
    """

    bound_to: str
    reported: str
    key_version: str
    checked_at: datetime

    @property
    def right(self) -> bool:
        """Tell whether the clients are the same; capitals in a UUID make no difference."""
        return bool(self.bound_to) and self.bound_to.casefold() == self.reported.casefold()
