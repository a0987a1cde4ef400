"""One contract for the replay store on moto and for the fake that unit tests use."""

import pytest

from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.domain.replay import Parked, ReceivedBetween, Replay, WebhookIds
from codat_hub.storage.state_table import StateTable
from tests.support.fakes import FakeReplays
from tests.support.histories import at
from tools.simulation.tables import create_table


@pytest.fixture(params=["real", "fake"])
def replays(request):
    if request.param == "fake":
        return FakeReplays()
    dynamodb = request.getfixturevalue("dynamodb")
    return ReplayStore(StateTable(dynamodb, create_table(dynamodb, "StateTable")))


@pytest.mark.parametrize(
    "selection",
    [
        WebhookIds(("b", "a")),
        Parked(),
        ReceivedBetween(at(1), at(2)),
        ReceivedBetween(at(1), at(2), "c", "p"),
    ],
)
def test_a_replay_is_read_as_written_and_only_over_the_version_read(replays, selection):
    replay = Replay("r", selection, "ann", at(1), at(1))
    assert replays.get("r") == (None, 0)
    assert replays.put(replay, 0) is True
    assert replays.put(replay, 0) is False
    assert replays.get("r") == (replay, 1)
    further = replay.after(["published", "parked"], "cursor", at(2)).failed("ValueError", at(3))
    assert replays.put(further, 1) is True
    assert replays.get("r") == (further, 2)
