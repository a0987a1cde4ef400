"""`python -m tools.openapi` writes the control API's OpenAPI document from the code."""

import json
from pathlib import Path
from typing import Final

from codat_hub.api.app import openapi
from tools.samconfig import ROOT

DOCUMENT: Final[Path] = ROOT / "openapi" / "control-api.json"


def generated() -> str:
    """Return the document as it should be checked in."""
    return json.dumps(openapi(), indent=2, sort_keys=True) + "\n"


def main() -> None:
    DOCUMENT.write_text(generated())
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
