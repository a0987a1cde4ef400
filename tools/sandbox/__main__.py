"""`python -m tools.sandbox` runs one process, which prints one JSON line when it is ready."""

import sys

from tools.starting import importing

with importing():
    from tools.sandbox.cli import main

sys.exit(main(sys.argv[1:]))
