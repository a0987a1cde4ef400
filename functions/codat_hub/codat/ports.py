"""Codat and the store that the binding to a Codat client works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codat_hub.codat.domain.client_check import ClientCheck


class KeyedCodat(Protocol):
    """Codat, as far as the API key goes. Raises CallFailed."""

    def client_id(self) -> str: ...
    def key_version(self) -> str: ...
    def forget_key(self) -> None: ...


class ClientChecks(Protocol):
    """The last comparison of the bound client with Codat's answer."""

    def last(self) -> ClientCheck | None: ...
    def keep(self, check: ClientCheck) -> None: ...
