"""References in code and documents to documents that are not in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.measure.tree import Figure, counted

_FOLDERS: Final = ("functions", "tools", "tests", "statemachines", "openapi", "docs", ".github")
_PATTERNS: Final = ("*.md", "*.yaml", "*.toml", "Makefile", *(f"{name}/**/*" for name in _FOLDERS))
_SUFFIXES: Final = {"", ".py", ".md", ".yaml", ".yml", ".json", ".toml", ".sh"}
_OWN: Final = {
    "tools/measure/references.py",
    "tests/unit/tools/test_measure.py",
}  # they quote such references
_OUTSIDE: Final = re.compile(
    r"\b(FACTS|LOCAL_AWS)\b|\b(DESIGN|LAYOUT|STYLE)(\.md\b| ?§)|\(D\d+\)"  # not in the repository
    r"|\bCodat (?:docs|OAS)\b|\((?:docs|OAS):"  # no title: "(Codat docs: paging)"
)
_ISSUE: Final = re.compile(r"(\S*)\s*\bissue \d+", re.IGNORECASE)  # owner/name may stand before it
_SEED: Final = re.compile(r"\bthe seed\b|\(seed[,)]")  # in the sandbox and the tests it is a word
_DOCUMENT: Final = re.compile(r"(?<![\w./-])docs/[\w./-]+\.(?:md|json|mmd|svg)\b")
_FACTS: Final = re.compile(r"docs/codat\.md`?,? ((?:C\d+(?:, | and | to )?)+)")
_FACT: Final = re.compile(r"^\W*C(\d+)\b", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def dangling(root: Path) -> Figure:
    """Count the lines that cite a document, a fact or a file that does not exist."""
    facts = root / "docs" / "codat.md"
    known = set(_FACT.findall(facts.read_text())) if facts.exists() else set()
    found = []
    for path in _files(root):
        name = str(path.relative_to(root))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if _dangles(root, path, line, known):
                found.append(f"{name}:{number} {line.strip()[:90]}")
    return counted(found)


def _files(root: Path) -> Iterator[Path]:
    """Yield the text files that people read, except the files that quote such references."""
    paths = [path for pattern in _PATTERNS for path in root.glob(pattern)]
    for path in sorted(paths):
        if path.is_file() and path.suffix in _SUFFIXES and str(path.relative_to(root)) not in _OWN:
            yield path


def _dangles(root: Path, path: Path, line: str, known: set[str]) -> bool:
    shipped = path.relative_to(root).parts[0] in {"functions", "statemachines", "template.yaml"}
    cited = [number for found in _FACTS.findall(line) for number in re.findall(r"\d+", found)]
    links = _LINK.findall(line) if path.suffix == ".md" else []
    return bool(
        _OUTSIDE.search(line)
        or not all("/" in before for before in _ISSUE.findall(line))
        or (shipped and _SEED.search(line))
        or not known.issuperset(cited)
        or not all((root / document).exists() for document in _DOCUMENT.findall(line))
        or not all(_leads_somewhere(path, link) for link in links)
    )


def _leads_somewhere(path: Path, link: str) -> bool:
    """Check a link to a file; web addresses and headings of the same page always pass."""
    target = link.partition("#")[0]
    return not target or ":" in target or (path.parent / target).exists()
