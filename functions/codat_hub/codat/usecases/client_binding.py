"""A stack changes things at Codat only with an API key of its own Codat client.

A dev stack that has production's key by mistake can therefore read, and do nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.errors import WrongClient
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.codat.ports import ClientChecks, KeyedCodat

# Reconcile asks Codat every night; this bridges one missed night.
TRUSTED_FOR: Final = timedelta(hours=36)


@dataclass(frozen=True)
class ClientBinding:
    """Check the client before the first call that changes something at Codat.

    The check costs one read of the State table. Codat is asked only about a key that it has not
    answered for. Raises WrongClient, CallFailed, Unavailable.
    """

    codat: KeyedCodat
    checks: ClientChecks
    bound_to: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self) -> None:
        if not self.bound_to:
            raise WrongClient(
                "CodatClientId is empty: this stack is bound to no Codat client, so it changes"
                " nothing at Codat. Set CodatClientId in samconfig.toml to the client's id"
                " (`tools/hub status` shows the API key's client) and deploy."
            )
        known = self.checks.last()
        check = known if known and self._still_holds(known) else self.confirm()
        if not check.right:
            raise WrongClient(
                f"CodatClientId is {self.bound_to}, but the API key belongs to the Codat client"
                f" {check.reported}: nothing is changed at Codat. Store the API key of the bound"
                " client with `tools/hub secrets set-api-key` (secret CodatApiKey), or correct"
                " CodatClientId in samconfig.toml and deploy."
            )

    def confirm(self) -> ClientCheck:
        """Ask Codat now, with the newest key, and store the answer, right or wrong.

        Raises CallFailed, Unavailable.
        """
        self.codat.forget_key()
        version = self.codat.key_version()
        check = ClientCheck(self.bound_to, self.codat.client_id(), version, self.now())
        self.checks.keep(check)
        if not check.right:
            logger.error("wrong Codat client", bound_to=check.bound_to, reported=check.reported)
        return check

    def last(self) -> ClientCheck | None:
        """Return the stored answer without asking Codat; None if it is for another binding."""
        known = self.checks.last()
        return known if known and known.bound_to == self.bound_to else None

    def _still_holds(self, known: ClientCheck) -> bool:
        """Tell whether an answer is for this binding, recent, and for the key in use.

        If it is for another key, or was wrong, the key of this process may be outdated. Then the
        key is read again first, so that a rotation counts at once.
        """
        if known.bound_to != self.bound_to or self.now() - known.checked_at > TRUSTED_FOR:
            return False
        if known.right and known.key_version == self.codat.key_version():
            return True
        self.codat.forget_key()
        return known.key_version == self.codat.key_version()
