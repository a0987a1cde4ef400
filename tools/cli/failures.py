"""What ends a command: each says what is wrong and, where there is one, the next thing to do."""

from dataclasses import dataclass
from typing import Final

from tools.starting import INTERRUPTED

REFUSED: Final = 1
USAGE: Final = 2


@dataclass(frozen=True)
class FieldError:
    """One field, of a request or a file, that is wrong, and why."""

    field: str
    message: str
    value: object = None
    allowed: object = None


class Failure(Exception):
    """A command did not do what it was asked for. `hint`: the next thing to do."""

    code = REFUSED

    def __init__(
        self, what: str, hint: str | None = None, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(what)
        self.hint = hint
        self.errors = errors


class Misused(Failure):
    """The command line, or a file that it names, is not as it must be."""

    code = USAGE


class Interrupted(Failure):
    """A person pressed Ctrl-C; `hint` says what goes on without them and how to come back."""

    code = INTERRUPTED


class Unanswered(Failure):
    """The control API cannot be reached, or no answer came in time."""


class Refused(Failure):
    """The control API answered with a problem (RFC 9457)."""

    def __init__(
        self,
        status: int,
        what: str,
        errors: tuple[FieldError, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(what, hint, errors)
        self.status = status
