"""A running sandbox is a world on a real clock with its post office and limits."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from tools.sandbox.build import new_post, new_state, new_world
from tools.sandbox.options import Options
from tools.sandbox.persistence import Snapshot
from tools.sandbox.requests.faults import Faults
from tools.sandbox.requests.idempotency import IdempotencyKeys
from tools.sandbox.requests.rate_limits import RateLimits
from tools.sandbox.requests.request_log import RequestLog
from tools.sandbox.webhooks.courier import Courier
from tools.sandbox.webhooks.model import Message
from tools.sandbox.webhooks.post_office import PostOffice
from tools.sandbox.world.clock import SandboxClock, WallClock
from tools.sandbox.world.identifiers import Identifiers

if TYPE_CHECKING:
    from tools.sandbox.world.world import World

# The longest pause of the loop, in real seconds.
LONGEST_NAP = 1.0


class Sandbox:
    """Everything that one process holds; `reset` returns all of it to the seed."""

    def __init__(self, options: Options, speed: float = 1.0, saved: Snapshot | None = None) -> None:
        self.options = options
        self.wall = WallClock()
        self._start_speed = speed
        self._lives = 0
        self._awake = asyncio.Event()
        self.requests = RequestLog(saved.last_request if saved else 0)
        self._begin(saved)

    def reset(self) -> None:
        """Forget everything and start from the seed again; later ids are new."""
        self._lives += 1
        self._begin(None)
        self.requests.clear()
        self.wake()

    def tick(self) -> None:
        """Advance the world to the present time of its clock."""
        self.world.advance_to(self.clock.now())

    def wake(self) -> None:
        """Let the loop look again, because something has changed."""
        self._awake.set()

    async def run(self) -> None:
        """Move the world and deliver webhooks until cancelled."""
        courier = Courier(self.wall, self.wake)
        try:
            while True:
                self._awake.clear()
                self.tick()
                all_sent = courier.dispatch(self.office)
                await self._nap(self._seconds_until_due() if all_sent else LONGEST_NAP)
        finally:
            await courier.close()

    def snapshot(self) -> Snapshot:
        """Return everything that a restart keeps."""
        return Snapshot(self.world.state, self.office.state, self.keys.entries, self.requests.last)

    def _begin(self, saved: Snapshot | None) -> None:
        run = f"{self.options.run}:{self._lives}"
        self.ids = Identifiers(f"portal:{self.options.seed}:{run}")
        now = self.wall()
        if saved is None:
            saved = Snapshot(new_state(self.options, now), new_post(self.options, self.ids))
        start = max(now, saved.world.now)
        self.clock = SandboxClock(self.wall, start, self._start_speed)
        self.office = PostOffice(saved.post, self.wall, run)
        self.world: World = new_world(self.options, saved.world, self._publish, run)
        self.keys = IdempotencyKeys(saved.keys)
        self.limits = RateLimits(self.options.minute_limit)
        self.faults = Faults()

    def _publish(self, message: Message) -> None:
        self.office.publish(message)

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(seconds, LONGEST_NAP))):
                await self._awake.wait()
        except TimeoutError:
            return

    def _seconds_until_due(self) -> float:
        due = [LONGEST_NAP]
        if posting := self.office.next_due():
            due.append(_seconds(self.wall(), posting))
        if happening := self.world.next_due():
            due.append(self.clock.wall_seconds_until(happening))
        return min(due)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
