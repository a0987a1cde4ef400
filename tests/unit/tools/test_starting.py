"""Ctrl-C while a program imports its modules ends it at once, silently, with exit code 130."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools import build
from tools.samconfig import ROOT
from tools.starting import importing

STILL_IMPORTING = """
import time
print("importing", flush=True)
time.sleep(30)
"""
PROGRAMS = {  # each with a module that it imports
    "tools.cli": "typer",
    "tools.local": "rich",
    "tools.demo": "rich",
    "tools.sandbox": "uvicorn",
    "tools.build": "tomllib",
}


@pytest.fixture(autouse=True)
def not_ignored():
    """Give the child processes a normal Ctrl-C, even if the test runner ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(program, folder):
    """Start a program that never ends the import of a module."""
    (folder / f"{PROGRAMS[program]}.py").write_text(STILL_IMPORTING)
    process = subprocess.Popen(
        [sys.executable, "-m", program],
        env={"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    return process


@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_while_it_is_importing_ends_a_program_without_a_traceback(program, tmp_path):
    with started(program, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 130


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_the_handler_of_ctrl_c_is_as_before_after_the_imports(handler):
    signal.signal(signal.SIGINT, handler)
    with importing():
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert ignored is (handler is signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is handler


def test_another_thread_may_import_too():
    with ThreadPoolExecutor() as threads:
        threads.submit(importing().__enter__).result()


def test_ctrl_c_in_the_middle_of_a_build_leaves_no_traceback_either(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", interrupted)
    monkeypatch.setattr(sys, "argv", ["build", "local"])
    with pytest.raises(SystemExit) as ended:
        build.main()
    assert ended.value.code == 130
