"""Background processes of the local stack, each with a log and a pid file."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POLL: Final = 0.05  # seconds
_GRACE: Final = 5.0  # seconds until a process that does not end is killed


class StepFailed(Exception):
    """A step of the set-up failed; `log` has the details."""

    def __init__(self, what: str, log: Path | None = None) -> None:
        super().__init__(what)
        self.log = log


@dataclass(frozen=True)
class Process:
    """A named process of the local stack; it may or may not be running."""

    name: str
    state: Path
    marker: str  # a word of its command line, which tells it from another process with a reused pid

    @property
    def log(self) -> Path:
        return self.state / "logs" / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.state / f"{self.name}.pid"

    def start(self, command: list[str], env: Mapping[str, str], cwd: Path) -> None:
        """Start the process in a new session; the log gets its standard output and error."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            started = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._pid_file.write_text(str(started.pid))
            # for a moment after its start a process shows no command line
            while started.poll() is None and not _command_line(started.pid):
                time.sleep(POLL / 10)
        except BaseException:
            started.kill()
            raise

    def pid(self) -> int | None:
        """Return the process id while it runs."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if self.marker in _command_line(pid) else None

    def wait_until[Ready](self, ready: Callable[[], Ready | None], seconds: float) -> Ready:
        """Poll until `ready` returns a value. Raises StepFailed if the process ends or is slow."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (answer := ready()) is not None:
                return answer
            if self.pid() is None:
                raise StepFailed(f"{self.name} ended before it was ready", self.log)
            time.sleep(POLL)
        raise StepFailed(f"{self.name} was not ready after {seconds:.0f} s", self.log)

    def stop(self) -> bool:
        """End the process and its children. Return True if it was running."""
        pid = self.pid()
        if pid is not None:
            _signal_group(pid, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(POLL)
            _signal_group(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)
        return pid is not None


def free_port() -> int:
    """Return a port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
        os.waitpid(pid, os.WNOHANG)  # leave no zombie if it is our child
    except (ProcessLookupError, PermissionError, ChildProcessError):
        return


def _command_line(pid: int) -> str:
    """Return the command line of a running process, empty if it does not run."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # an ended child must not look alive
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    ps = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout
