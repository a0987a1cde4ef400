"""Codat's query language and ordering (docs/codat.md, C9); braces group conditions."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tools.sandbox.world.moments import parse_date

LONGEST: Final = 2048
# Finds how to get a property of an item; None if it has no such property.
type Resolver[T] = Callable[[str], Callable[[T], Any] | None]
type Predicate[T] = Callable[[T], bool]

_COMPARISON: Final = re.compile(r"\s*([A-Za-z_][\w.\- ]*?)\s*(!=|>=|<=|=|~|>|<)\s*")
_VALUE: Final = re.compile(r"(?:(?!&&|\|\||[{}]).)+", re.DOTALL)


class MalformedQuery(Exception):  # named like Codat's answer
    """The text is not a query."""


class UnresolvedProperty(Exception):  # named like Codat's answer
    """The query names a property that cannot be queried."""


def compile_query[T](text: str, resolve: Resolver[T]) -> Predicate[T]:
    """Return the query as a test of one item."""
    if len(text) >= LONGEST:
        raise MalformedQuery(text[:40])
    parser = _Parser(text, resolve)
    predicate = parser.alternatives()
    parser.expect_end()
    return predicate


def sort_items[T](items: Iterable[T], order_by: str, resolve: Resolver[T]) -> list[T]:
    """Sort by `field` ascending or `-field` descending; items without a value come first."""
    name = order_by.removeprefix("-")
    getter = resolve(name)
    if getter is None:
        raise UnresolvedProperty(name)

    def key(item: T) -> tuple[bool, Any]:
        value = getter(item)
        return (False, 0) if value is None else (True, value)

    try:
        return sorted(items, key=key, reverse=order_by.startswith("-"))
    except TypeError:
        raise UnresolvedProperty(name) from None


class _Parser[T]:
    """A parser by recursive descent; every level returns a predicate."""

    def __init__(self, text: str, resolve: Resolver[T]) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._resolve = resolve

    def alternatives(self) -> Predicate[T]:
        options = [self._conjunction()]
        while self._take("||"):
            options.append(self._conjunction())
        return options[0] if len(options) == 1 else lambda item: any(o(item) for o in options)

    def expect_end(self) -> None:
        if self._text[self._at :].strip():
            raise MalformedQuery(self._text)

    def _conjunction(self) -> Predicate[T]:
        parts = [self._term()]
        while self._take("&&"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda item: all(p(item) for p in parts)

    def _term(self) -> Predicate[T]:
        if not self._take("{"):
            return self._comparison()
        self._depth += 1
        if self._depth > 50:
            raise MalformedQuery(self._text)
        inner = self.alternatives()
        if not self._take("}"):
            raise MalformedQuery(self._text)
        self._depth -= 1
        return inner

    def _comparison(self) -> Predicate[T]:
        start = _COMPARISON.match(self._text, self._at)
        value = _VALUE.match(self._text, start.end()) if start else None
        if not start or not value or not value[0].strip():
            raise MalformedQuery(self._text)
        self._at = value.end()
        getter = self._resolve(start[1])
        if getter is None:
            raise UnresolvedProperty(start[1])
        test = _Test(start[2], value[0].strip())
        return lambda item: test.holds(getter(item))

    def _take(self, token: str) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found


@dataclass(frozen=True, slots=True)
class _Test:
    operator: str
    wanted: str

    def holds(self, value: Any) -> bool:
        """Tell whether a value passes: of a list, any of it; a missing value passes `!=` only."""
        if isinstance(value, list):
            return any(self.holds(element) for element in value)
        if value is None:
            return self.operator == "!="
        if self.operator == "~":
            return self.wanted.casefold() in str(value).casefold()
        return _compare(self.operator, value, self._as_type_of(value))

    def _as_type_of(self, value: Any) -> Any:
        if isinstance(value, datetime):
            moment = parse_date(self.wanted)
            if moment is None:
                raise MalformedQuery(self.wanted)
            return moment
        if isinstance(value, bool):
            return self.wanted.casefold() == "true"
        if isinstance(value, (int, float)):
            try:
                return float(self.wanted)
            except ValueError:
                raise MalformedQuery(self.wanted) from None
        return self.wanted


def _compare(operator: str, value: Any, wanted: Any) -> bool:
    match operator:
        case "=":
            return bool(value == wanted)
        case "!=":
            return bool(value != wanted)
        case ">":
            return bool(value > wanted)
        case "<":
            return bool(value < wanted)
        case ">=":
            return bool(value >= wanted)
        case _:
            return bool(value <= wanted)
