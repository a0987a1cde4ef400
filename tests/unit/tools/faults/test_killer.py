"""The killer ends processes that run functions of its emulator, and no others."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from tools.faults.killer import Killer, workers
from tools.local.processes import POLL

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it reads /proc")


@pytest.fixture
def child():
    """Start processes as an emulator does; they are ended at the end."""
    started = []

    def start(function=None):
        name = {"AWS_LAMBDA_FUNCTION_NAME": function} if function else {}
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        process = subprocess.Popen(command, env=os.environ | name)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def shown(*processes):
    """Wait until a process shows its environment."""
    ids = {process.pid for process in processes}
    return eventually(lambda: ids <= set(workers(os.getpid())), 10, poll=POLL)


def test_it_kills_functions_by_their_name(child):
    other, wanted, no_function = child("Other"), child("RunMigrationStep"), child()
    shown(other, wanted)
    killer = Killer(os.getpid(), seed=1, only="Migration")
    assert killer.strike() == "RunMigrationStep"
    assert wanted.wait(timeout=10) == -signal.SIGKILL
    assert killer.killed == {"RunMigrationStep": 1}
    assert killer.strike() is None
    assert other.poll() is no_function.poll() is None


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_chooses_the_same_function(child, seed):
    def chosen():
        processes = [child(name) for name in ("A", "B", "C")]
        shown(*processes)
        found = Killer(os.getpid(), seed).strike()
        for process in processes:
            process.kill()
            process.wait()
        return found

    assert chosen() == chosen()
