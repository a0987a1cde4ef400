"""A program started with `python -m` finds the hub's code without pytest's settings."""

import os
import subprocess
import sys
from pathlib import Path

from tools.samconfig import ROOT

IMPORT_EACH = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"

NOT_IMPORTED = {
    Path("tools/sandbox/__main__.py"),  # it starts when it is imported; test_starting.py starts it
    Path("tools/mutation/mutants.py"),  # its packages are in an environment of their own
    Path("tools/example_consumer/consumer/handler.py"),  # it reads its settings when imported
}


def test_every_module_of_the_tools_can_be_imported_from_the_checkout_alone():
    files = [path.relative_to(ROOT) for path in (ROOT / "tools").rglob("*.py")]
    modules = [path for path in files if path not in NOT_IMPORTED]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules]
    assert {"tools.local.stack", "tools.bench.migration", "tools.cli.__main__"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, *sorted(names)],
        env={"PATH": os.environ["PATH"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
