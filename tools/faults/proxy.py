"""The fault proxy (microburst) between the functions and the AWS emulator."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tools.local.processes import Process, StepFailed, free_port
from tools.pinned import NotInstalled, installed
from tools.samconfig import ROOT

type Rule = Mapping[str, Any]

_PINS: Final = ROOT / "tools" / "faults" / "requirements.txt"
_HOME: Final = ROOT / ".local" / "microburst"
_START_SECONDS: Final = 30.0
_KEPT: Final = 1_000_000  # of what fired, at most


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault that a call of AWS got."""

    service: str
    operation: str
    action: str


class FaultProxy:
    """Start it before the emulator: functions get its address when they start."""

    def __init__(self, state: Path, upstream_port: int, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._upstream = f"http://127.0.0.1:{upstream_port}"
        self._process = Process("microburst", state, "microburst")

    def start(self) -> None:
        """Install it if it is not yet, and start it. Raises StepFailed."""
        command = [str(_installed(self._process.log)), "--upstream", self._upstream]
        command += ["--port", str(self.port), "--no-resign"]
        self._process.start(command, {"PATH": "/usr/bin:/bin", "HOME": str(_HOME)}, ROOT)
        self._process.wait_until(lambda: self._healthy() or None, _START_SECONDS)

    def stop(self) -> bool:
        return self._process.stop()

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Replace all rules. The first that matches a call decides."""
        answer = httpx.post(f"{self.url}/_microburst/rules", json=list(rules))
        if answer.is_error:
            raise StepFailed(f"the proxy refuses the rules: {answer.text}", self._process.log)

    def fired(self) -> list[Fired]:
        """Return every fault that a call got, in order."""
        answer = httpx.get(f"{self.url}/_microburst/fired", params={"limit": _KEPT})
        return [
            Fired(one.get("service") or "", one.get("operation") or "", one["action"])
            for one in answer.raise_for_status().json()
        ]

    def calls(self) -> int:
        """Return how many calls came through."""
        answer = httpx.get(f"{self.url}/_microburst/health").raise_for_status()
        return int(answer.json()["requests_seen"])

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/_microburst/health", timeout=2).is_success
        except httpx.HTTPError:
            return False


def _installed(log: Path) -> Path:
    """Return the proxy's command, installed with its pins into an environment of its own."""
    try:
        return installed(_PINS, _HOME) / "microburst"
    except NotInstalled as error:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(str(error))
        raise StepFailed("the fault proxy cannot be installed", log) from None
