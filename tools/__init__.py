"""What is never deployed: local stack, Codat sandbox, operator CLI, demo, benchmarks."""

import sys
from pathlib import Path

# the hub's own code, which Lambda and pytest find by settings of theirs
_HUB = str(Path(__file__).parents[1] / "functions")
if _HUB not in sys.path:
    sys.path.insert(0, _HUB)
