"""Run projectors at the same time, port call by port call, in any order and with crashes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.full_load_store import FullLoadStore
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from codat_hub.product_events.usecases.project_reads import ProjectReads
from tests.support.builders import COMPANY
from tests.support.fakes import (
    FakeBus,
    FakeCompanies,
    FakeParking,
    FakeRateLimits,
    FakeReadStates,
    FakeRegistry,
)
from tests.support.histories import PRODUCT
from tools.simulation.fakes import FakeStateTable

NOW = datetime(2026, 7, 3, tzinfo=UTC)


@dataclass
class World:
    """The tables and the bus that projectors share."""

    read_states: FakeReadStates = field(default_factory=FakeReadStates)
    companies: FakeCompanies = field(default_factory=FakeCompanies)
    assignments: AssignmentStore = field(default_factory=lambda: AssignmentStore(FakeStateTable()))
    rate_limits: FakeRateLimits = field(default_factory=FakeRateLimits)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    bus: FakeBus = field(default_factory=FakeBus)
    parking: FakeParking = field(default_factory=FakeParking)
    full_loads: FullLoadStore = field(default_factory=lambda: FullLoadStore(FakeStateTable()))

    def projector(self) -> ProjectReads:
        return ProjectReads(**vars(self), now=lambda: NOW)

    @property
    def state(self) -> ReadState:
        return self.read_states.get(COMPANY, PRODUCT)[0]

    @property
    def deduplicated(self):
        """Return the events by first publication, each event key once, as consumers handle them."""
        return list({event.event_key: event for event in reversed(self.bus.published)}.values())[
            ::-1
        ]


class _Pause(BaseException):
    """The next call of a port is not this projector's turn yet."""


class Stepper:
    """One webhook's projection, run a port call at a time by replaying earlier calls."""

    def __init__(self, world: World, webhook: StoredWebhook) -> None:
        self._world = world
        self.webhook = webhook
        self._answers: list = []

    def step(self) -> bool:
        """Make one more call; tell whether the projection is over. Raises Unavailable."""
        replay, made = iter(self._answers), False

        def call(port, name, arguments):
            nonlocal made
            for answer in replay:
                return answer
            if made:
                raise _Pause
            made = True
            answer = getattr(port, name)(*arguments)
            self._answers.append(answer)
            return answer

        ports = {name: _Recorded(port, call) for name, port in vars(self._world).items()}
        try:
            ProjectReads(**ports, now=lambda: NOW)(self.webhook)
        except _Pause:
            return False
        return True


class _Recorded:
    def __init__(self, port, call):
        self._port, self._call = port, call

    def __getattr__(self, name):
        return lambda *arguments: self._call(self._port, name, arguments)


def run(world: World, webhooks, choose, crash=lambda: False) -> int:
    """Let two projectors work on the webhooks; return the number of calls made.

    `choose` returns the next projector. After a crash or a refusal it starts its webhook again.
    """
    waiting, busy, calls = list(webhooks), [], 0
    while waiting or busy:
        while waiting and len(busy) < 2:
            busy.append(Stepper(world, waiting.pop(0)))
        turn = busy[choose() % len(busy)] if len(busy) > 1 else busy[0]
        calls += 1
        try:
            over = turn.step()
        except Unavailable:
            over = None
        if over:
            busy.remove(turn)
        elif over is None or crash():
            busy[busy.index(turn)] = Stepper(world, turn.webhook)
    return calls
