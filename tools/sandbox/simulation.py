"""The sandbox on a virtual clock and without I/O lets months pass in seconds."""

from collections.abc import Callable
from datetime import datetime

from tools.sandbox.build import new_post, new_state, new_world
from tools.sandbox.options import Options
from tools.sandbox.webhooks.model import Attempt
from tools.sandbox.webhooks.post_office import Posting, PostOffice
from tools.sandbox.world.identifiers import Identifiers

# A receiver takes a posting and the time, and returns a status, or None for no answer.
type Sender = Callable[[Posting, datetime], int | None]


class Simulation:
    """World and post office on one clock; `send` gets every attempt when it is due."""

    def __init__(self, options: Options, start: datetime, send: Sender) -> None:
        self._now = start
        self._send = send
        ids = Identifiers(f"simulation:{options.seed}:{options.run}")
        self.ids = ids
        self.office = PostOffice(new_post(options, ids), lambda: self._now, options.run)
        state = new_state(options, start)
        self.world = new_world(options, state, self.office.publish, options.run)

    @property
    def now(self) -> datetime:
        """Return the time of the world and of its receivers."""
        return self._now

    def advance_to(self, moment: datetime) -> None:
        """Run and deliver everything that is due until `moment`."""
        while (due := self._next_due()) is not None and due <= moment:
            self._now = max(self._now, due)
            self.world.advance_to(self._now)
            for posting in self.office.due():
                status = self._send(posting, self._now)
                self.office.report(posting.delivery, Attempt(self._now, status, 0.0))
        self._now = max(self._now, moment)
        self.world.advance_to(self._now)

    def _next_due(self) -> datetime | None:
        due = [moment for moment in (self.world.next_due(), self.office.next_due()) if moment]
        return min(due, default=None)
