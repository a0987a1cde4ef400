"""What samconfig.toml says of each environment, for the tools that call SAM or look for a stack."""

import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIG: Final = ROOT / "samconfig.toml"


@dataclass(frozen=True)
class Deployment:
    """One environment's stack; `overrides` are the template's parameters."""

    region: str
    stack_name: str
    overrides: dict[str, str]

    def override_words(self, **more: str) -> list[str]:
        """Return the words of SAM's --parameter-overrides option, `more` going first."""
        return [f"{name}={value}" for name, value in (self.overrides | more).items()]


def deployment(environment: str) -> Deployment:
    """Read one environment; local gets this machine's architecture, whose wheels it can load."""
    parameters = tomllib.loads(CONFIG.read_text())[environment]["deploy"]["parameters"]
    overrides = dict(pair.split("=", 1) for pair in parameters["parameter_overrides"].split())
    if environment == "local":
        arm = platform.machine() in {"arm64", "aarch64"}
        overrides["Architecture"] = "arm64" if arm else "x86_64"
    return Deployment(parameters["region"], parameters["stack_name"], overrides)
