"""Figures about Python code: sizes, docstrings, retry loops, names, imports and tests."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Final

from tools.measure.tree import PACKAGE, Figure, Function, Module, counted

LONG: Final = 35
REASON: Final = "# Long because"
_COUNTERS: Final = {"range", "count", "repeat"}
_TRIES: Final = re.compile(r"tries|attempts|races", re.IGNORECASE)
_WRITES: Final = re.compile(r"_?(put|write|update|replace|save|take|create|begin)")
_COMPOSING: Final = {"handlers", "settings"}  # they import from every feature
_DECIDING: Final = {"domain", "usecases", "steps", "queries"}
_NEVER_FLAT: Final = {*_COMPOSING, "adapters", "api"}
_ADAPTER: Final = re.compile(r"^(import|from) (boto3|botocore|httpx|httpcore)\b", re.MULTILINE)
_NOT_DECIDING: Final = re.compile(r".*_(store|queue|client|table)|errors")


def siblings(found: list[Module]) -> Figure:
    """Return the most modules in one folder, and the fullest folders."""
    folders = Counter(str(module.path.parent) for module in found).most_common(5)
    names = tuple(f"{folder}: {number}" for folder, number in folders)
    folder, most = folders[0] if folders else ("", 0)
    return Figure(most, folder.removeprefix(f"functions/{PACKAGE}/"), names)


def long_functions(found: list[Module], *, unexplained: bool = False) -> Figure:
    """Count the functions over 35 lines; `unexplained` leaves out those with a reason in place."""
    return counted(
        f"{module.path}:{node.lineno} {node.name} ({length} lines)"
        for module in found
        for node in module.functions
        if (length := (node.end_lineno or 0) - node.lineno + 1) > LONG
        and not (unexplained and _has_reason(module, node))
    )


def _has_reason(module: Module, node: Function) -> bool:
    """Look for a reason from the comment above the function to its first statement."""
    first = min(part.lineno for part in (node, *node.decorator_list)) - 1
    statement = node.body[1 if ast.get_docstring(node) and node.body[1:] else 0]
    above = takewhile(lambda line: line.lstrip().startswith("#"), reversed(module.lines[:first]))
    lines = [*above, *module.lines[first : statement.lineno]]
    return any(line.lstrip().startswith(REASON) for line in lines)


def largest_file(found: list[Module]) -> Figure:
    """Return the lines of the longest module, and its name."""
    longest = max(found, key=lambda module: len(module.lines))
    return Figure(len(longest.lines), longest.path.name)


def code_lines(found: list[Module], *, imports: bool) -> Figure:
    """Count lines of import statements, or all others but blank lines, comments, docstrings."""
    lines = 0
    for module in found:
        docstrings = [(text.lineno, text.end_lineno or 0) for text in _docstrings(module)]
        statements = [
            (node.lineno, node.end_lineno or 0)
            for node in module.nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        lines += sum(
            bool(line.strip())
            and not line.lstrip().startswith("#")
            and not any(first <= number <= last for first, last in docstrings)
            and imports is any(first <= number <= last for first, last in statements)
            for number, line in enumerate(module.lines, 1)
        )
    return Figure(lines)


def cut_docstrings(found: list[Module]) -> Figure:
    """Count the docstrings whose first line is not a sentence followed by a blank line."""
    names = []
    for module in found:
        for text in _docstrings(module):
            first, *rest = map(str.strip, str(text.value).strip().splitlines() or [""])
            if not first.endswith((".", "?", "!")) or (rest and rest[0]):
                names.append(f"{module.path}:{text.lineno} {first}")
    return counted(names)


def _docstrings(module: Module) -> Iterator[ast.Constant]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
    for node in module.nodes:
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False):
            yield node.body[0].value  # type: ignore[attr-defined]  # an expression


def retry_loops(found: list[Module]) -> Figure:
    """Count the loops that try again: a bounded number of times, or until a write succeeds."""
    return counted(
        f"{module.path}:{loop.lineno}"
        for module in found
        for parent in module.nodes
        for _, block in ast.iter_fields(parent)
        if isinstance(block, list)
        for loop, after in zip_longest(block, block[1:])
        if _tries_bounded(loop, after) or _tries_until_written(loop)
    )


def _tries_bounded(loop: ast.AST, after: ast.AST | None) -> bool:
    """Recognise a counted loop that stops at success: over tries by name, or else with `raise`."""
    if not isinstance(loop, ast.For) or not isinstance(loop.iter, ast.Call):
        return False
    stops = any(isinstance(node, ast.Return | ast.Break) for node in ast.walk(loop))
    if not stops or _name(loop.iter.func) not in _COUNTERS:
        return False
    named = any(_TRIES.search(_name(node)) for node in ast.walk(loop.iter))
    end = loop.orelse[0] if loop.orelse else after
    return named or (_name(loop.target).startswith("_") and isinstance(end, ast.Raise))


def _tries_until_written(loop: ast.AST) -> bool:
    """Recognise `while not put(…)`, and `while True` around an `if put(…)`."""
    if not isinstance(loop, ast.While):
        return False
    tests = [loop.test]
    if isinstance(loop.test, ast.Constant):
        tests = [node.test for node in ast.walk(loop) if isinstance(node, ast.If)]
    calls = [node for test in tests for node in ast.walk(test) if isinstance(node, ast.Call)]
    return any(_WRITES.match(_name(call.func)) for call in calls)


def protocols(found: list[Module]) -> Figure:
    """Count the Protocol classes, and note how many distinct names they have."""
    classes = [
        (module, node)
        for module in found
        for node in module.classes
        if any(_name(part) == "Protocol" for base in node.bases for part in ast.walk(base))
    ]
    names = [f"{module.path}:{node.lineno} {node.name}" for module, node in classes]
    return counted(names, f"{len({node.name for _, node in classes})} names")


def repeated_classes(found: list[Module]) -> Figure:
    """Count the class names that are defined more than once."""
    times = Counter(node.name for module in found for node in module.classes).most_common()
    return counted(f"{name}: {number} times" for name, number in times if number > 1)


def loops_over_one(found: list[Module]) -> Figure:
    """Count the loops and comprehensions whose variable is called `one`."""
    return counted(
        f"{module.path}:{name.lineno}"
        for module in found
        for loop in module.nodes
        if isinstance(loop, ast.For | ast.AsyncFor | ast.comprehension)
        for name in ast.walk(loop.target)
        if isinstance(name, ast.Name) and name.id == "one"
    )


def imports_inside(found: list[Module]) -> Figure:
    """Return the per cent of imports between features that stay inside one feature."""
    pairs = [
        (module.folders[0], str(node.module).split(".")[1])
        for module in found
        if module.folders and module.folders[0] not in _COMPOSING
        for node in module.nodes
        if isinstance(node, ast.ImportFrom) and re.match(rf"{PACKAGE}\.\w+\.", node.module or "")
    ]
    inside = sum(feature == other for feature, other in pairs)
    return Figure(round(100 * inside / len(pairs)) if pairs else 0, f"{inside} of {len(pairs)}")


def untested(root: Path, found: list[Module]) -> Figure:
    """Count the modules that decide something and have no test module of their name."""
    tests = {path.stem for path in (root / "tests").rglob("test_*.py")}
    deciding = [module.path for module in found if _decides(module)]
    missing = [str(path) for path in deciding if f"test_{path.stem}" not in tests]
    return counted(missing, f"of {len(deciding)}")


def _decides(module: Module) -> bool:
    """Tell whether a module is in a deciding layer, or flat in a feature and no adapter."""
    if module.path.stem == "__init__" or not any(map(_does_something, module.functions)):
        return False
    if _DECIDING & set(module.folders):
        return True
    flat = len(module.folders) == 1 and module.folders[0] not in _NEVER_FLAT
    adapter = _NOT_DECIDING.fullmatch(module.path.stem) or _ADAPTER.search(module.text)
    return flat and not adapter


def _does_something(node: Function) -> bool:
    """Recognise a function that has more than a docstring or `...`, unlike a Protocol's."""
    return not all(
        isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) for part in node.body
    )


def _name(node: ast.AST) -> str:
    """Return the last part of a name or attribute, or nothing."""
    return getattr(node, "id", "") or getattr(node, "attr", "")
