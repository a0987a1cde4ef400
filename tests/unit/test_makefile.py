"""`make help` lists everything that can be made."""

import re
import subprocess

from tools.samconfig import ROOT


def test_help_lists_every_target_in_columns():
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in listed.splitlines() if line.startswith("  make ")]
    assert [line.split()[1] for line in lines] == targets
    assert len({re.search(r"\S  +\S", line).end() for line in lines}) == 1
