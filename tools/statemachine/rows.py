"""The words of the table: its headings and its rows.

Rows run from top to bottom. A row with `on` is a detour: it runs only if the row above gives that
answer. It returns to that row, unless `then` names another. `fails_to` names the state after a
failure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, override


@dataclass(frozen=True)
class Lane:
    """The settings that the rows of one direction share."""

    direction: str  # what the function is asked to do: apply or compensate
    epoch: str  # where the execution keeps the run's epoch
    listing: str  # where it keeps the answer that names the list of companies
    error: str  # where it keeps what failed
    fails_to: str


@dataclass(frozen=True)
class Part:
    """A heading: the rows below it belong together."""

    title: str
    lane: Lane

    def numbered(self, text: str) -> str:
        """Return a text about the part, with the activity's number in front if it has one."""
        return text


@dataclass(frozen=True)
class Activity(Part):
    """A heading: the rows below it do one of the five activities of Codat's guide."""

    number: int

    @override
    def numbered(self, text: str) -> str:
        return f"Activity {self.number}: {text}"


@dataclass(frozen=True)
class Undo(Part):
    """A heading: the rows below it undo an activity. No rows: there is nothing to undo."""

    number: int
    entry: str = ""  # the answer of `begin_rollback` that leads here

    @override
    def numbered(self, text: str) -> str:
        return f"Undo of activity {self.number}: {text}"


@dataclass(frozen=True)
class _Row:
    """One state of the machine, or a few that always go together."""

    state: str
    on: str = field(default="", kw_only=True)
    then: str = field(default="", kw_only=True)
    fails_to: str = field(default="", kw_only=True)

    @property
    def entry(self) -> str:
        """The state that a run enters first."""
        return self.state


@dataclass(frozen=True)
class Step(_Row):
    """A call of the function. While it answers `again`, the run pauses and repeats it."""

    step: str
    comment: str
    result: str = "result"  # where the execution keeps the answer
    again: str = ""  # where the pause leads, if not back to this row
    answers: Mapping[str, str] = field(default_factory=dict)  # where answers lead, without a pause
    says: Mapping[str, Any] = field(default_factory=dict)  # what the call says besides


@dataclass(frozen=True)
class Each(_Row):
    """A Map: a call of the function for each chunk of the list of companies.

    Over an empty list the row below comes at once.
    """

    step: str
    comment: str
    phase: str = ""  # what a failed chunk is counted under, if not under its step

    @property
    @override
    def entry(self) -> str:
        return f"{self.state}IfAny"


@dataclass(frozen=True)
class Person(_Row):
    """A stop for a person. No answer in time is a failure."""

    waiting_for: str
    hours: int
    comment: str


@dataclass(frozen=True)
class Wait(_Row):
    """A pause, as long as an answer said."""

    result: str  # where the execution keeps that answer
    comment: str


@dataclass(frozen=True)
class Choose(_Row):
    """A fork: where the values of a field lead. Any other value leads to the row below."""

    field: str
    to: Mapping[str, str]
    comment: str


@dataclass(frozen=True)
class Note(_Row):
    """A call of the function that may fail: the row below comes in any case."""

    step: str
    says: Mapping[str, Any]
    comment: str


@dataclass(frozen=True)
class Success(_Row):
    """The end of an execution that did what was asked."""

    comment: str = ""


@dataclass(frozen=True)
class Failure(_Row):
    """The end of an execution that did not. The state's name is the error."""

    cause: str  # a sentence, or the field that keeps it
    comment: str = ""


type Row = Step | Each | Person | Wait | Choose | Note | Success | Failure
type Table = tuple[Part | Row, ...]


def headed(table: Table) -> Iterator[tuple[Part, Row]]:
    """Yield each row with its heading."""
    heading = None
    for line in table:
        if isinstance(line, Part):
            heading = line
        elif heading:
            yield heading, line


def entries(table: Table) -> dict[str, str]:
    """Return the first state of each undo by its entry, last activity first."""
    found: dict[str, str] = {}
    for heading, row in headed(table):
        if isinstance(heading, Undo):
            found.setdefault(heading.entry, row.state)
    return dict(reversed(found.items()))
