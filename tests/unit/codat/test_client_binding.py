"""A key of another client than the bound one is noticed at once and changes nothing at Codat."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.errors import TryLater, WrongClient
from codat_hub.codat.usecases.client_binding import TRUSTED_FOR, ClientBinding
from tests.support.fakes import FakeClientChecks

OURS, THEIRS = "f4a5b6c7-0000-4000-8000-00000000000a", "f4a5b6c7-0000-4000-8000-00000000000b"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class FakeCodat:
    """`stored` is the newest key in the secret; this process may still hold an older one."""

    def __init__(self, client=OURS):
        self.clients = {"key-1": client}
        self.stored = self.held = "key-1"
        self.asked = 0

    def rotate(self, name, client):
        self.clients[name] = client
        self.stored = name

    def key_version(self):
        self.held = self.held or self.stored
        return self.held

    def forget_key(self):
        self.held = None

    def client_id(self):
        self.asked += 1
        return self.clients[self.key_version()]


class Process:
    """A warm function with its own copy of the key; the State table is shared."""

    def __init__(self, codat, checks, bound_to=OURS):
        self.codat = codat
        self.time = NOON
        self.check = ClientBinding(codat, checks, bound_to, now=lambda: self.time)

    def is_allowed(self):
        try:
            self.check()
        except WrongClient:
            return False
        return True


@pytest.fixture
def checks():
    return FakeClientChecks()


@pytest.fixture
def codat():
    return FakeCodat()


def test_with_the_bound_clients_key_changes_are_allowed_and_codat_is_asked_once(codat, checks):
    process = Process(codat, checks)
    assert [process.is_allowed() for _ in range(3)] == [True, True, True]
    assert codat.asked == 1
    assert Process(codat, checks).is_allowed()
    assert codat.asked == 1, "another process reads what was remembered"


def test_capitals_make_no_other_client(codat, checks):
    assert Process(codat, checks, OURS.upper()).is_allowed()


def test_a_key_of_another_client_is_refused_with_both_ids_and_what_to_do(codat, checks):
    codat.clients["key-1"] = THEIRS
    with pytest.raises(WrongClient) as refused:
        Process(codat, checks).check()
    for text in (OURS, THEIRS, "CodatClientId", "CodatApiKey", "`tools/hub secrets set-api-key`"):
        assert text in str(refused.value)


def test_a_stack_bound_to_no_client_changes_nothing_and_asks_nothing(codat, checks):
    with pytest.raises(WrongClient, match="CodatClientId is empty"):
        Process(codat, checks, "").check()
    assert (codat.asked, checks.kept) == (0, None)


def test_a_mismatch_is_remembered_without_asking_codat_again(codat, checks):
    codat.clients["key-1"] = THEIRS
    process = Process(codat, checks)
    assert [process.is_allowed() for _ in range(3)] == [False] * 3
    assert codat.asked == 1


def test_a_wrong_client_found_by_reconcile_stops_other_warm_processes_at_once(checks):
    warm, reconciling = FakeCodat(), FakeCodat()
    process, reconcile = Process(warm, checks), Process(reconciling, checks)
    assert process.is_allowed()
    for codat in (warm, reconciling):
        codat.rotate("key-2", THEIRS)
    assert not reconcile.check.confirm().right
    assert warm.held == "key-1", "this process still holds the old key"
    assert not process.is_allowed()


def test_a_rotation_is_noticed_as_soon_as_the_new_key_would_be_used(codat, checks):
    process = Process(codat, checks)
    assert process.is_allowed()
    codat.rotate("key-2", THEIRS)
    codat.forget_key()  # as happens after ten minutes
    assert not process.is_allowed()
    assert codat.asked == 2


def test_storing_the_right_key_allows_changes_at_once(codat, checks):
    codat.clients["key-1"] = THEIRS
    process = Process(codat, checks)
    assert not process.is_allowed()
    codat.rotate("key-2", OURS)
    assert process.is_allowed()


def test_codat_is_asked_again_for_another_binding(codat, checks):
    codat.clients["key-1"] = THEIRS
    assert not Process(codat, checks).is_allowed()
    redeployed = Process(codat, checks, THEIRS)
    assert redeployed.check.last() is None, "what is known is of the old binding"
    assert redeployed.is_allowed()


def test_an_old_answer_is_not_trusted(codat, checks):
    process = Process(codat, checks)
    process.check()
    process.time += TRUSTED_FOR
    process.check()
    assert codat.asked == 1
    process.time += timedelta(seconds=1)
    process.check()
    assert codat.asked == 2


def test_nothing_is_allowed_or_stored_while_codat_does_not_answer(codat, checks):
    def down():
        raise TryLater("down", status=503)

    codat.client_id = down
    with pytest.raises(TryLater):
        Process(codat, checks).check()
    assert checks.kept is None
