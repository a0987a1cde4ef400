"""`python -m tools.sandbox`: one process, one JSON line on stdout when it is ready."""

import sys

from tools.starting import importing

with importing():
    from tools.sandbox.cli import main

sys.exit(main(sys.argv[1:]))
