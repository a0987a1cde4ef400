"""Reads each environment's stack name, region and parameters from samconfig.toml."""

import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIG: Final = ROOT / "samconfig.toml"


@dataclass(frozen=True)
class Deployment:
    """The stack of an environment; `overrides` are values of the template's parameters."""

    region: str
    stack_name: str
    overrides: dict[str, str]

    def override_words(self, **more: str) -> list[str]:
        """Return the words of SAM's option --parameter-overrides; `more` takes precedence."""
        return [f"{name}={value}" for name, value in (self.overrides | more).items()]


def deployment(environment: str) -> Deployment:
    """Read an environment; local gets this machine's architecture, so that its wheels load."""
    parameters = tomllib.loads(CONFIG.read_text())[environment]["deploy"]["parameters"]
    overrides = dict(pair.split("=", 1) for pair in parameters["parameter_overrides"].split())
    if environment == "local":
        arm = platform.machine() in {"arm64", "aarch64"}
        overrides["Architecture"] = "arm64" if arm else "x86_64"
    return Deployment(parameters["region"], parameters["stack_name"], overrides)
