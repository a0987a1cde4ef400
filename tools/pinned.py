"""Installs a tool with its pins into an environment of its own, once for each set of pins."""

import os
import subprocess
import sys
from pathlib import Path


class NotInstalled(Exception):
    """The packages cannot be installed; the text is what the installer said."""


def installed(pins: Path, home: Path) -> Path:
    """Return the folder with the commands of these packages. Raises NotInstalled."""
    commands, stamp = home / "bin", home / "pins"
    wanted = pins.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return commands
    uv = str(Path(sys.executable).parent / "uv")
    python = str(commands / "python")
    steps = (
        [uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(pins)],
    )
    for step in steps:
        done = subprocess.run(step, check=False, capture_output=True, text=True, env=os.environ)
        if done.returncode:
            raise NotInstalled(done.stdout + done.stderr)
    stamp.write_text(wanted)
    return commands
