"""A stack changes things at Codat only with an API key of the client that it is bound to.

So a dev stack that was given production's key by mistake can read, and do nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.errors import WrongClient
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

# Reconcile asks anew every night; this bridges one night that it missed.
TRUSTED_FOR: Final = timedelta(hours=36)


class Codat(Protocol):
    def client_id(self) -> str: ...
    def key_version(self) -> str: ...
    def forget_key(self) -> None: ...


class ClientChecks(Protocol):
    def last(self) -> ClientCheck | None: ...
    def keep(self, check: ClientCheck) -> None: ...


@dataclass(frozen=True)
class ClientBinding:
    """Call it before the first call that changes something at Codat.

    It costs one read of the State table; Codat is asked only for a key that it was not asked with
    before. Raises WrongClient, and what asking raises: CallFailed, Unavailable.
    """

    codat: Codat
    checks: ClientChecks
    bound_to: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self) -> None:
        if not self.bound_to:
            raise WrongClient(
                "CodatClientId is empty: this stack is bound to no Codat client, so it changes"
                " nothing at Codat. Set CodatClientId in samconfig.toml to the client's id"
                " (status shows which client the API key is of) and deploy."
            )
        known = self.checks.last()
        check = known if known and self._still_holds(known) else self.confirm()
        if not check.right:
            raise WrongClient(
                f"CodatClientId is {self.bound_to}, but the API key is of the Codat client"
                f" {check.reported}: nothing is changed at Codat. Store the API key of the bound"
                " client in the secret CodatApiKey, or deploy with the CodatClientId that is meant."
            )

    def confirm(self) -> ClientCheck:
        """Ask Codat now, with the newest key, and remember the answer, right or not.

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
        """Return the last answer, without asking Codat; of another binding it says nothing."""
        known = self.checks.last()
        return known if known and known.bound_to == self.bound_to else None

    def _still_holds(self, known: ClientCheck) -> bool:
        """Tell whether it is of this binding, recent, and of the very key that would be used.

        A key that differs from the one last asked with, or was refused, may be outdated here: it
        is read anew first, so that a rotation counts at once, for the better and for the worse.
        """
        if known.bound_to != self.bound_to or self.now() - known.checked_at > TRUSTED_FOR:
            return False
        if known.right and known.key_version == self.codat.key_version():
            return True
        self.codat.forget_key()
        return known.key_version == self.codat.key_version()
