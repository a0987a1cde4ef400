"""Reads a request body, and refuses what JSON allows and no route can take."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST: Final = 20  # objects and lists in one another; no body needs more than five
_MOST_PROBLEMS: Final = 10
LONGEST_NUMBER: Final = 18  # digits; Python reads at most 4300, DynamoDB keeps 38


def read_body(text: str) -> Any:
    """Return a body's content. Raises json.JSONDecodeError for a text that is no JSON.

    Raises Invalid for a body that is nested too deeply or has a number of too many characters.
    """
    try:
        content = json.loads(text, parse_int=_integer, parse_float=_decimal)
    except RecursionError:
        raise Invalid(_too_deep("body")) from None
    if problems := list(islice(_problems(content), _MOST_PROBLEMS)):
        raise Invalid(*problems)
    return content


class _TooLong(str):
    """A number of too many digits, as it came."""

    __slots__ = ()


def _integer(text: str) -> int | _TooLong:
    return int(text) if len(text) <= LONGEST_NUMBER else _TooLong(text)


def _decimal(text: str) -> float | _TooLong:
    return float(text) if len(text) <= LONGEST_NUMBER else _TooLong(text)


def _problems(content: Any) -> Iterator[Problem]:
    """Yield the problems of a body, by the path of their field; no recursion, so no depth harms."""
    waiting = [("", content, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, _TooLong):
            allowed = f"a number of at most {LONGEST_NUMBER} characters"
            yield Problem(path or "body", "too long a number", f"{value[:20]}…", allowed)
        elif depth >= DEEPEST and isinstance(value, dict | list):
            yield _too_deep(path or "body")
        elif isinstance(value, dict):
            prefix = f"{path}." if path else ""
            waiting += [(f"{prefix}{name[:100]}", part, depth + 1) for name, part in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{n}]", part, depth + 1) for n, part in enumerate(value)]


def _too_deep(path: str) -> Problem:
    allowed = f"at most {DEEPEST} objects and lists in one another"
    return Problem(path[:100], "nested too deeply", allowed=allowed)
