"""Prints a command's result on standard output and everything else on standard error.

With `--json` standard output holds exactly one JSON document: an object, or an array with one
element a line. A list is printed while it is fetched. If the fetch fails, the array stays open, so
no reader takes it for the whole list.
"""

import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.cli.failures import Failure, FieldError

type Json = dict[str, Any]
type Pages = Iterable[list[Json]]

_NO_EDGE: Final = 2000  # columns; output to a file or a pipe is never wrapped or cut
_MOST_ERRORS: Final = 50
_NARROWEST: Final = 8  # columns in which a folded cell can still be read
_GAP: Final = 2  # blank columns between two columns of a table


@dataclass(frozen=True)
class Column:
    """A column of a table. `whole` is never wrapped: for values that people copy, such as ids."""

    title: str
    cell: Callable[[Json], Any]
    whole: bool = False
    right: bool = False


class Output:
    """The output of one command, for a person or as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = console()
        self.err = console(stderr=True)

    def result(self, value: Any, *lines: str) -> None:
        """Print the result of a command: the value as JSON, or the lines."""
        if self.as_json:
            print_json(value)
            return
        for line in lines:
            self.out.print(plain(line), soft_wrap=True)

    def note(self, line: str) -> None:
        """Print a note, such as the next command, on standard error."""
        self.err.print(plain(line), soft_wrap=True)

    def table(self, pages: Pages, columns: list[Column], empty: str) -> int:
        """Print a list page by page; return its length. `empty` is the note for an empty list."""
        count = self._stream_json(pages) if self.as_json else self._stream_rows(pages, columns)
        if not count:
            self.note(empty)
        return count

    def facts(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, one pair a line."""
        facts = [(name, plain(value)) for name, value in rows]
        if not facts or not self._fits([max(len(name) for name, _ in facts), _NARROWEST]):
            self._lines(facts)
            return
        table = _bare_table()
        table.show_header = False
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for fact in facts:
            table.add_row(*fact)
        self._print(table)

    def _print(self, table: Table) -> None:
        """Print the table; in a file or a pipe without trailing blanks."""
        if self.out.is_terminal:
            self.out.print(table)
            return
        with self.out.capture() as drawn:
            self.out.print(table)
        lines = drawn.get().splitlines()
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))

    def _stream_json(self, pages: Pages) -> int:
        count = 0
        sys.stdout.write("[")
        for item in itertools.chain.from_iterable(pages):
            sys.stdout.write(("," if count else "") + "\n" + _json(item))
            count += 1
        sys.stdout.write("\n]\n" if count else "]\n")
        return count

    def _stream_rows(self, pages: Pages, columns: list[Column]) -> int:
        """Print the pages as one table; its columns never become narrower.

        If a page does not fit on the screen, its rows and all later rows are printed as lines.
        """
        widths = [len(column.title) for column in columns]
        count, fits = 0, True
        for page in pages:
            rows = [[plain(column.cell(item)) for column in columns] for item in page]
            if not rows:
                continue
            for number in range(len(columns)):
                widths[number] = max(widths[number], *(row[number].cell_len for row in rows))
            fits = fits and self._fits(
                width if column.whole else min(width, _NARROWEST)
                for column, width in zip(columns, widths, strict=True)
            )
            if fits:
                self._draw(columns, widths, rows, heading=not count)
            else:
                for row in rows:
                    self._lines(zip((column.title for column in columns), row, strict=True))
                    self.out.print()
            count += len(rows)
        return count

    def _draw(
        self, columns: list[Column], widths: list[int], rows: list[list[Text]], *, heading: bool
    ) -> None:
        table = _bare_table()
        table.show_header = heading
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                column.title,
                no_wrap=column.whole,
                overflow="fold",
                justify="right" if column.right else "left",
                # a column that may wrap may also be narrower
                min_width=width if column.whole or not self.out.is_terminal else None,
            )
        for row in rows:
            table.add_row(*row)
        self._print(table)

    def _fits(self, widths: Iterable[int]) -> bool:
        """Tell whether columns of these widths fit beside each other; in a pipe they always do."""
        needed = list(widths)
        return not self.out.is_terminal or sum(needed) + _GAP * (len(needed) - 1) <= self.out.width

    def _lines(self, facts: Iterable[tuple[str, Text]]) -> None:
        """Print one fact a line; the terminal may wrap a line, but it is never cut."""
        for name, value in facts:
            self.out.print(Text.assemble((f"{name}: ", "bold"), value), soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """Return a console that honours NO_COLOR and never wraps output to a file or a pipe."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else _NO_EDGE, highlight=False)


def print_json(value: Any) -> None:
    sys.stdout.write(_json(value, indent=2) + "\n")


def _json(value: Any, indent: int | None = None) -> str:
    """Return JSON that standard output can encode: other characters as escapes of JSON."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    return text


def show_what_can_be_encoded() -> None:
    """Let a character that a terminal or file cannot encode be shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def plain(value: Any) -> Text:
    """Return a value as text without control characters, because names come from customers."""
    if isinstance(value, Text):
        return value
    if value is None or value in ([], (), ""):
        return Text("-")
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return Text("".join(c if c.isprintable() or c == "\n" else "�" for c in str(value)))


def words(name: str) -> str:
    """Return a name of the API with spaces, as people write it."""
    return name.replace("_", " ")


def show_failure(failure: Failure) -> None:
    """Print on standard error what is wrong, each wrong field, and what to do next."""
    err = console(stderr=True)
    err.print(Text.assemble(("✗ ", "bold red"), plain(failure)), soft_wrap=True)
    errors = failure.errors
    for error in errors[:_MOST_ERRORS]:
        err.print(Text("  ").append_text(_field_line(error)), soft_wrap=True)
    if len(errors) > _MOST_ERRORS:
        err.print(f"  and {len(errors) - _MOST_ERRORS} more", soft_wrap=True)
    if failure.hint:
        err.print(plain(failure.hint), soft_wrap=True)


def _field_line(error: FieldError) -> Text:
    value = "" if error.value is None else f" = {json.dumps(error.value, ensure_ascii=False)}"
    parts = [error.message] if error.message else []
    if error.allowed is not None:
        allowed = error.allowed
        shown = ", ".join(map(str, allowed)) if isinstance(allowed, list) else str(allowed)
        parts.append(f"allowed: {shown}")
    line = Text.assemble((error.field, "bold"), plain(value) if value else "")
    return line.append(": ").append_text(plain("; ".join(parts))) if parts else line


def _bare_table() -> Table:
    return Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
