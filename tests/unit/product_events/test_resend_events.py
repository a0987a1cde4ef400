"""A resend is refused where it could hand nothing over, and never started twice."""

from dataclasses import dataclass, field, replace

import pytest

from codat_hub.errors import Absent, Conflict, Invalid, RequestReused
from codat_hub.product_events.domain.resend import Resend, ResendStatus, TeamRule, TimeSpan
from codat_hub.product_events.usecases.resend_events import ResendEvents
from tests.support.histories import at

SPAN = TimeSpan(at(1), at(5))
RULE = TeamRule("lending", "arn:lending", enabled=True)


@dataclass
class FakeArchive:
    exists: bool = True
    rules: dict = field(default_factory=lambda: {"lending": RULE})
    resends: dict = field(default_factory=dict)
    started: int = 0

    def rule(self, name):
        return self.rules.get(name)

    def size(self):
        return 7

    def start(self, resend_id, rule, span, by):
        if resend_id in self.resends:
            return False
        self.started += 1
        resend = Resend(resend_id, rule.name, span, ResendStatus.RUNNING, by)
        self.resends[resend_id] = resend
        return True

    def get(self, resend_id):
        return self.resends.get(resend_id)

    def cancel(self, resend_id):
        changed = replace(self.resends[resend_id], status=ResendStatus.CANCELLING)
        self.resends[resend_id] = changed


@pytest.fixture
def archive():
    return FakeArchive()


@pytest.fixture
def resends(archive):
    return ResendEvents(archive, lambda: at(6))


def test_it_is_started_for_one_rule_and_shown(archive, resends):
    resend = resends.start("lending", SPAN, "ann")
    assert (resend.rule, resend.span, resend.requested_by) == ("lending", SPAN, "ann")
    assert resends.show(resend.resend_id) == resend


def test_a_plan_starts_nothing(archive, resends):
    planned, at_most = resends.plan("lending", SPAN)
    assert (planned.status, planned.resend_id, at_most) == (ResendStatus.PLANNED, None, 7)
    assert archive.started == 0


def test_the_same_key_starts_nothing_a_second_time(archive, resends):
    first = resends.start("lending", SPAN, "ann", "k")
    assert resends.start("lending", SPAN, "ann", "k") == first
    with pytest.raises(RequestReused):
        resends.start("lending", TimeSpan(at(2), at(5)), "ann", "k")
    assert archive.started == 1
    assert resends.start("lending", SPAN, "bob", "k") != first


@pytest.mark.parametrize("method", ["start", "plan"])
@pytest.mark.parametrize(
    ("changes", "rule", "span", "refusal"),
    [
        ({"exists": False}, "lending", SPAN, Conflict),
        ({"rules": {"lending": replace(RULE, enabled=False)}}, "lending", SPAN, Conflict),
        ({}, "none", SPAN, Absent),
        ({}, "lending", TimeSpan(at(5), at(5)), Invalid),
        ({}, "lending", TimeSpan(at(5), at(7)), Invalid),
    ],
)
def test_what_could_hand_nothing_over_is_refused(changes, rule, span, refusal, method):
    archive = FakeArchive(**changes)
    resends = ResendEvents(archive, lambda: at(6))
    words = (rule, span, "ann") if method == "start" else (rule, span)
    with pytest.raises(refusal):
        getattr(resends, method)(*words)
    assert archive.started == 0


def test_it_is_cancelled_unless_it_is_over(archive, resends):
    resend_id = resends.start("lending", SPAN, "ann").resend_id
    assert resends.cancel(resend_id, "ann").status is ResendStatus.CANCELLING
    archive.resends[resend_id] = replace(resends.show(resend_id), status=ResendStatus.COMPLETE)
    assert resends.cancel(resend_id, "ann").status is ResendStatus.COMPLETE
    with pytest.raises(Absent):
        resends.cancel("none", "ann")
