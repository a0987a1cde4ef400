"""Background processes of the local stack: started, found again, stopped, and reported."""

import os
import sys

import pytest
from rich.console import Console

from tools.local.processes import Process, StepFailed
from tools.local.report import show_failure
from tools.local.stack import Options

SLEEPER = "import time; print('up', flush=True); time.sleep(60)  # marker-of-this-test"


@pytest.fixture
def process(tmp_path):
    process = Process("sleeper", tmp_path, "marker-of-this-test")
    yield process
    process.stop()


def start(process, code=SLEEPER):
    process.start([sys.executable, "-c", code], os.environ, process.state)


def ready(process):
    return lambda: "up" in process.log.read_text() or None


def test_a_process_runs_until_it_is_stopped(process):
    assert process.pid() is None
    start(process)
    process.wait_until(ready(process), 10)
    assert process.pid()
    assert process.stop() is True
    assert process.pid() is None


def test_stopping_a_process_that_does_not_run_is_not_an_error(process):
    assert process.stop() is False


def test_another_processs_pid_is_never_taken_for_ours(process):
    (process.state / "sleeper.pid").write_text(str(os.getpid()))
    assert Process("sleeper", process.state, "no such marker").pid() is None
    assert Process("sleeper", process.state, "no such marker").stop() is False


@pytest.mark.parametrize("content", ["", "soon", "-1", "999999999"])
def test_a_stale_pid_file_means_it_does_not_run(process, content):
    (process.state / "sleeper.pid").write_text(content)
    assert process.pid() is None


def test_a_process_that_ends_early_is_reported_with_its_log(process):
    start(process, "raise SystemExit('port in use')  # marker-of-this-test")
    with pytest.raises(StepFailed, match="ended before it was ready") as raised:
        process.wait_until(ready(process), 10)
    assert "port in use" in raised.value.log.read_text()


def test_a_process_that_is_never_ready_is_reported(process):
    start(process)
    with pytest.raises(StepFailed, match="not ready after"):
        process.wait_until(lambda: None, 0.2)


def test_a_failure_shows_the_end_of_its_log_and_where_the_rest_is(tmp_path, capsys):
    log = tmp_path / "deploy.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    show_failure(Console(width=200), StepFailed("sam deploy ended with exit code 1", log))
    printed = capsys.readouterr().out
    assert "sam deploy ended with exit code 1" in printed
    assert "line 99" in printed
    assert "line 50\n" not in printed
    assert log.name in printed


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1.5"])
def test_a_bad_port_is_named(monkeypatch, port):
    monkeypatch.setenv("LOCAL_AWS_PORT", port)
    with pytest.raises(StepFailed, match=f"LOCAL_AWS_PORT='{port}'"):
        Options.from_env()
