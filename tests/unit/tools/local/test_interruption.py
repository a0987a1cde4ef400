"""One Ctrl-C starts the clean-up, and further signals do not end it early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.samconfig import ROOT

PROGRAM = """
import time
from tools.local.interruption import interrupt_once
interrupt_once()
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print("cleaning", flush=True)
    for _ in range(20):
        time.sleep(0.02)
    print("clean", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_further_signals_do_not_cut_the_clean_up_short(number):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=Path(ROOT),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(again)
    assert process.communicate(timeout=20)[0] == "clean\n"
    assert process.returncode == 0
