"""Injects one row's fault into the calls between the hub and the sandbox."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from codat_hub.codat.errors import RateLimited
from codat_hub.errors import Unavailable
from tools.drills.migration.kinds import ABSENT, Cut, Kind
from tools.drills.migration.rows import (
    AWS,
    EVERY,
    Direction,
    Lasting,
    Row,
    Scope,
    company_of,
    template,
)
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.requests.faults import Fault, Reset

_OUTAGE: Final = timedelta(hours=1)
# A fault for ever ends for a run that still waits by then, so that it can go on.
OUTLASTED: Final = timedelta(hours=30)
_NO_ROOM: Final = timedelta(minutes=2)
_IN_FLIGHT: Final = timedelta(seconds=20)
_IN_FLIGHT_TEXT: Final = "A request with this Idempotency-Key is already being processed."


class Injector:
    """Stands in for the network of a world, where a company appears before products are added.

    The sandbox answers each fault itself, so that its cache of idempotency keys keeps the answer.
    """

    def __init__(self, world: Any, row: Row, appeared: Callable[[str], None]) -> None:
        self._world = world
        self.appeared = appeared
        self._row = row
        self._in_flight: dict[str, datetime] = {}
        self._struck_companies: set[str | None] = set()
        self.armed = False
        self.lifted = False
        self.struck = 0
        self.first_at: datetime | None = None
        self.gave_up_at: datetime | None = None
        self.twice: list[str] = []
        self.silent: list[str] = []
        self._struck_before = 0
        self.late: str | None = None

    def attach(self) -> None:
        self._world.wire.exchange = self._exchange
        self._world.before_step = self._before_step
        self._world.after_step = self._after_step
        self._world.aws = self._aws

    def _aws(self, point: str) -> None:
        if self._strikes(AWS, point):
            kind = self._row.kind
            if kind.error:
                raise self._world.failure(kind.error, f"{point}: a fault of the drill")
            if kind.aws == "room":
                now = self._world.now()
                raise RateLimited("no room", retry_after=_NO_ROOM, retry_at=now + _NO_ROOM)
            raise Unavailable("throttled: a fault of the drill")

    def _before_step(self) -> None:
        self._struck_before = self.struck
        if self._world.steps > 20_000:
            raise RuntimeError("the run does not end")
        if self._world.step == "begin_products" and self.late is None:
            self.late = self._world.let_one_appear()
            self.appeared(self.late)
        if self._world.direction == Direction.BACK and self.first_at and not self.gave_up_at:
            self.gave_up_at = self._world.now()

    def _after_step(self, answer: dict[str, Any]) -> None:
        """Note a wait that the fault brings about and that nobody can see."""
        waits = answer["next"] == "again" and answer["wait_seconds"] > 1
        by_fault = waits and self.struck > self._struck_before
        if by_fault and not self._world.migrations.waits_for(self._world.run):
            self.silent.append(f"{self._world.direction} {self._world.step}")

    def _exchange(self, request: httpx.Request, send: Any) -> httpx.Response:
        self._world.check_deadline()
        key = request.headers.get("idempotency-key")
        if key and self._world.now() < self._in_flight.get(key, self._world.now()):
            body = CodatError(409, _IN_FLIGHT_TEXT).body("in-flight")
            return httpx.Response(409, json=body)
        self._note_repeated(request)
        if not self._strikes(request.method, request.url.path):
            answer: httpx.Response = send(request)
            return answer
        if self._row.kind.in_flight and key:
            wait = timedelta(seconds=25) + _IN_FLIGHT  # behind the client's own timeout
            self._in_flight[key] = self._world.now() + wait
        return self._struck(request, send, self._row.kind)

    def _struck(self, request: httpx.Request, send: Any, kind: Kind) -> httpx.Response:
        if kind.rotated:
            self._world.rotate_key()
        if kind.bad_key:
            request.headers["Authorization"] = "Basic bm90LXRoZS1rZXk="
        if kind.rotated or kind.bad_key:
            refused: httpx.Response = send(request)
            return refused
        waiting = self._world.sandbox.faults.waiting
        waiting[:] = [_fault(kind)]
        try:
            answer: httpx.Response = send(request)
        except ConnectionResetError:
            if kind.late:
                self._world.time_out()
                raise httpx.ReadTimeout("timed out", request=request) from None
            raise httpx.ReadError("connection reset", request=request) from None
        finally:
            waiting.clear()
        if answer.headers.get("retry-after") == ABSENT:
            del answer.headers["retry-after"]
        return answer

    def _strikes(self, method: str, path: str) -> bool:
        row, now = self._row, self._world.now()
        if not self.armed or self.lifted or not self._matches(method, path):
            return False
        here = (self._world.direction, self._world.step) == (row.call.direction, row.call.step)
        company = company_of(path) if row.scope is Scope.ALL else None
        if self.first_at is None and not here:
            return False
        match row.lasting:
            case Lasting.ONCE if not here or company in self._struck_companies:
                return False
            case Lasting.OUTAGE if self.first_at and now - self.first_at > _OUTAGE:
                return False
            case Lasting.EVER if self.first_at and now - self.first_at > OUTLASTED:
                self.lifted = True
                return False
        self._struck_companies.add(company)
        self.first_at = self.first_at or now
        self.struck += 1
        return True

    def _matches(self, method: str, path: str) -> bool:
        call = self._row.call
        if call.method == EVERY:
            return method != AWS
        if (method, template(path)) != (call.method, call.path):
            return False
        return self._row.company in {None, company_of(path)}

    def _note_repeated(self, request: httpx.Request) -> None:
        """Note an effect that Codat would be asked for a second time."""
        path, company = request.url.path, company_of(request.url.path)
        known = self._world.state.companies.get(company)
        if request.method == "PUT" and known and path.rpartition("/")[2] in known.products:
            self.twice.append(f"PUT {path} of a product that the company has")


def _fault(kind: Kind) -> Fault:
    return Fault(
        method=EVERY,
        path=re.compile(""),
        times=1,
        status=kind.status,
        body=kind.body,
        headers=dict(kind.headers),
        reset={None: None, Cut.BEFORE: Reset.BEFORE, Cut.AFTER: Reset.AFTER}[kind.cut],
    )
