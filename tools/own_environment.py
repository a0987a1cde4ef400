"""Environments beside .venv, for tools whose packages cannot or need not be in it."""

import subprocess
import sys
from pathlib import Path

from tools.samconfig import ROOT


class NotInstalled(Exception):
    """The packages cannot be installed. The text is what the installer said."""


def installed(name: str, pins: Path) -> Path:
    """Return the folder of an environment's commands, after installing its pins if they changed."""
    home = ROOT / ".local" / name
    commands, stamp = home / "bin", home / "pins"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return commands
    uv = str(Path(sys.executable).parent / "uv")
    python = str(commands / "python")
    steps = (
        [uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(pins)],
    )
    for step in steps:
        done = subprocess.run(step, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NotInstalled(done.stdout + done.stderr)
    stamp.write_text(pins.read_text())
    return commands
