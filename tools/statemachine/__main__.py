"""`python -m tools.statemachine`: write the definition and its picture anew from the table."""

import json
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from tools.samconfig import ROOT
from tools.statemachine.picture import placed
from tools.statemachine.states import definition

DEFINITION: Final[Path] = ROOT / "statemachines" / "migration.asl.json"
PAGE: Final[Path] = ROOT / "docs" / "operate" / "migrate.md"
_WIDTH: Final = 100


def generated() -> dict[Path, str]:
    """Return the text of each file as it should be checked in."""
    return {DEFINITION: f"{compact(definition())}\n", PAGE: placed(PAGE.read_text())}


def compact(value: Any, indent: int = 0, key: str = "") -> str:
    """Return JSON. What fits into one line stays in one, which keeps differences readable."""
    line = key + json.dumps(value)
    if not isinstance(value, dict | list) or indent + len(line) < _WIDTH:
        return line
    pad = f"\n{' ' * (indent + 2)}"
    if isinstance(value, dict):
        ends = "{}"
        parts = [compact(item, indent + 2, f'"{name}": ') for name, item in value.items()]
    else:
        ends = "[]"
        parts = [compact(item, indent + 2) for item in value]
    body = f",{pad}".join(parts)
    if ends == "[]" and isinstance(value[0], str):
        body = pad.join(wrap(", ".join(parts), _WIDTH - indent - 2))
    return f"{key}{ends[0]}{pad}{body}\n{' ' * indent}{ends[1]}"


def main() -> None:
    for path, text in generated().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
