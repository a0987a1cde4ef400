"""Draws mutants of modules with mutmut's operators and a few more; mutmut's environment runs it.

Not drawn, because no user sees it: logs, metrics, annotations, decorators, wording of sentences.
"""

import argparse
import difflib
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import (
    mutation_operators,
    operator_arg_removal,
    operator_assignment,
    operator_string,
)
from mutmut.mutation.pragma_handling import IgnoredCode

_TELEMETRY: Final = m.Call(func=m.Attribute(value=m.Name("logger") | m.Name("metrics")))
_ONLY_TYPES: Final = m.If(test=m.Name("TYPE_CHECKING"))
_TRUE, _FALSE = cst.Name("True"), cst.Name("False")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--sample", type=int, help="of each file (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for file in given.files:
        for mutant in drawn(file, given.sample, given.seed):
            print(json.dumps(mutant))


def drawn(file: Path, sample: int | None, seed: int) -> Iterator[dict[str, object]]:
    """Yield mutants as facts: file, line, text before and after, whole mutated source."""
    code = file.read_text()
    wrapper = MetadataWrapper(cst.parse_module(code))
    visitor = _Visitor(_OPERATORS, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    mutations = visitor.mutations
    if sample is not None and sample < len(mutations):
        # A seed gives each file its own draw, whichever other files are asked for.
        mutations = random.Random(f"{seed} {file.name}").sample(mutations, sample)
    for mutation in mutations:
        source = module.deep_replace(mutation.original_node, mutation.mutated_node).code
        yield {"file": str(file), **_difference(code, source), "of": len(visitor.mutations)} | {
            "source": source
        }


def _difference(code: str, mutated: str) -> dict[str, object]:
    before, after = code.splitlines(), mutated.splitlines()
    parts = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    changed = [part for part in parts if part[0] != "equal"]
    first, last = changed[0], changed[-1]
    return {
        "line": first[1] + 1,
        "before": _joined(before[first[1] : last[2]]),
        "after": _joined(after[first[3] : last[4]]),
    }


def _joined(lines: Iterable[str]) -> str:
    return " ".join(line.strip() for line in lines)


class _Visitor(MutationVisitor):
    """As mutmut's, but decorated functions are mutated too: no trampoline stands in the way."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return isinstance(node, cst.Annotation | cst.Decorator) or m.matches(
            node, _TELEMETRY | _ONLY_TYPES
        )


def _word(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Change a key or a name. A sentence keeps its wording."""
    if " " not in node.value:
        yield from list(operator_string(node))[:1]


def _assigned(node: cst.Assign | cst.AnnAssign) -> Iterator[cst.CSTNode]:
    """Give None. An empty text instead of None says the same."""
    if not m.matches(node, m.TypeOf(m.Assign, m.AnnAssign)(value=m.Name("None"))):
        yield from operator_assignment(node)


def _arguments(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Give None, or leave a named argument out. One less in a row would be a TypeError."""
    for call in operator_arg_removal(node):
        if _unnamed(call) == _unnamed(node):
            yield call


def _unnamed(call: cst.Call) -> int:
    return sum(argument.keyword is None for argument in call.args)


def _without_effect(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """Leave out a call made for its effect, and a raise."""
    effect = m.Expr(value=m.Call() & ~_TELEMETRY) | m.Raise()
    if m.matches(node, m.SimpleStatementLine(body=[effect])):
        yield node.with_changes(body=[cst.Pass()])


def _decided(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """Take a condition for granted, either way."""
    for answer in (_TRUE, _FALSE):
        yield node.with_changes(test=answer, whitespace_before_test=cst.SimpleWhitespace(" "))


def _returned(node: cst.Return) -> Iterator[cst.CSTNode]:
    """Answer nothing. To callers False is nothing as well."""
    if node.value and not m.matches(node.value, m.Name("None") | m.Name("False")):
        yield node.with_changes(
            value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" ")
        )


_REPLACED: Final = {operator_string, operator_arg_removal, operator_assignment}
_OPERATORS: Final = [
    *((kind, operator) for kind, operator in mutation_operators if operator not in _REPLACED),
    (cst.SimpleString, _word),
    (cst.Call, _arguments),
    (cst.Assign, _assigned),
    (cst.AnnAssign, _assigned),
    (cst.SimpleStatementLine, _without_effect),
    (cst.If, _decided),
    (cst.CompIf, _decided),
    (cst.Return, _returned),
]


if __name__ == "__main__":
    main()
