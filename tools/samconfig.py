"""Reads each environment's stack name, region and parameters from samconfig.toml."""

import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from samcli.cli.types import CfnParameterOverridesType

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIG: Final = ROOT / "samconfig.toml"


@dataclass(frozen=True)
class Deployment:
    """The stack of an environment; `overrides` are values of the template's parameters."""

    region: str
    stack_name: str
    overrides: dict[str, str]

    def override_words(self, **more: str) -> list[str]:
        """Return the words of SAM's --parameter-overrides option; `more` wins."""
        return [f"{name}={_quoted(value)}" for name, value in (self.overrides | more).items()]


def deployment(environment: str, config: Path = CONFIG) -> Deployment:
    """Read one environment as `sam deploy` reads it.

    The local environment gets this machine's architecture, because only such wheels load here.
    """
    sections = tomllib.loads(config.read_text())[environment]
    parameters: dict[str, str] = {}
    for command in ("global", "deploy"):
        parameters |= sections.get(command, {}).get("parameters", {})
    overrides = CfnParameterOverridesType().convert(
        parameters.get("parameter_overrides", ""), None, None, current_file=config
    )
    if environment == "local":
        arm = platform.machine() in {"arm64", "aarch64"}
        overrides["Architecture"] = "arm64" if arm else "x86_64"
    return Deployment(parameters["region"], parameters["stack_name"], overrides)


def _quoted(value: str) -> str:
    escaped = value.replace('"', r"\"")
    return f'"{escaped}"'
