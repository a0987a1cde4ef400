"""The parsed Python modules of a checkout, and the type of a figure."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

PACKAGE: Final = "codat_hub"
type Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Figure:
    """A number, a note to print beside it, the names that it counts, and its limit."""

    value: int
    note: str = ""
    names: tuple[str, ...] = ()
    limit: int | None = None

    def __str__(self) -> str:
        return f"{self.value:,}" + (f" ({self.note})" if self.note else "")

    def at_most(self, limit: int) -> "Figure":
        return replace(self, limit=limit)

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True)
class Module:
    """A Python file; its path is relative to the checkout."""

    path: Path
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    @property
    def functions(self) -> list[Function]:
        kinds = ast.FunctionDef | ast.AsyncFunctionDef
        return [node for node in self.nodes if isinstance(node, kinds)]

    @property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in self.nodes if isinstance(node, ast.ClassDef)]

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the folders below the package; the first is the feature."""
        parts = self.path.parts[:-1]
        return parts[parts.index(PACKAGE) + 1 :] if PACKAGE in parts else ()


def modules(root: Path, folder: str) -> list[Module]:
    """Return every Python module below a folder of a checkout, in order."""
    paths = sorted((root / folder).rglob("*.py"))
    return [Module(path.relative_to(root), path.read_text()) for path in paths]


def counted(names: Iterable[str], note: str = "") -> Figure:
    """Return the number of these names as a figure."""
    every = tuple(names)
    return Figure(len(every), note, every)
