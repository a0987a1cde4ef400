"""Keep part of the pace from the refreshes for a while: a migration asks for it as it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codat_hub.domain.gate import Reservation
from codat_hub.errors import Unavailable
from codat_hub.usecases.wake_company import TRIES

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.usecases import refresh_ports as ports


@dataclass(frozen=True, slots=True)
class ReserveCalls:
    gates: ports.Gates

    def __call__(self, calls: int, until: datetime) -> None:
        """Take `calls` in any 60 seconds off the refreshes' ceiling. Raises Unavailable.

        Repeat it before `until` to keep them; what nobody repeats ends by itself.
        """
        for _ in range(TRIES):
            gate, version = self.gates.get()
            reserved = replace(gate, reservation=Reservation(calls, until))
            if reserved == gate or self.gates.put(reserved, version):
                return
        raise Unavailable("others kept changing the gate")
