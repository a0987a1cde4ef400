"""Tools that are never deployed: local stack, Codat sandbox, operator CLI, demo, benchmarks."""

import sys
from pathlib import Path

# Lambda and pytest have settings that find the hub's code; the tools need this line
_HUB = str(Path(__file__).parents[1] / "functions")
if _HUB not in sys.path:
    sys.path.insert(0, _HUB)
