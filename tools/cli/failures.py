"""The failures that end a command: each says what is wrong and what to do next."""

from dataclasses import dataclass
from typing import Final

from tools.starting import INTERRUPTED

REFUSED: Final = 1
USAGE: Final = 2


@dataclass(frozen=True)
class FieldError:
    """A wrong field of a request or a file: its value, the problem, and what is allowed."""

    field: str
    message: str
    value: object = None
    allowed: object = None


class Failure(Exception):
    """A command failed. `hint` is the next thing to do."""

    code = REFUSED

    def __init__(
        self, what: str, hint: str | None = None, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(what)
        self.hint = hint
        self.errors = errors


class Misused(Failure):
    """The command line, or a file that it names, is wrong."""

    code = USAGE


class Interrupted(Failure):
    """A person pressed Ctrl-C. `hint` is the command that comes back to the work."""

    code = INTERRUPTED


class Unanswered(Failure):
    """The control API cannot be reached, or did not answer in time."""


class Refused(Failure):
    """The control API refused a request with a problem (RFC 9457)."""

    def __init__(
        self,
        status: int,
        what: str,
        errors: tuple[FieldError, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(what, hint, errors)
        self.status = status
