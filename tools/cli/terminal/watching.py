"""Watches long work in the hub to its end; Ctrl-C stops only the watching."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.status import Status

from tools.cli.failures import Interrupted
from tools.cli.terminal.moments import without_age
from tools.cli.terminal.output import Output, plain

type Json = dict[str, Any]

_FIRST_PAUSE: Final = 0.5  # seconds; later pauses are longer
_LONGEST_PAUSE: Final = 5.0
_GROWTH: Final = 1.3
GOES_ON: Final = "Stopped watching; the hub goes on by itself."
pause: Callable[[float], None] = time.sleep


def watch(
    output: Output,
    read: Callable[[], Json],
    *,
    over: Callable[[Json], bool],
    progress: Callable[[Json], str],
    again: str,
    meanwhile: str = GOES_ON,
) -> Json:
    """Read until the work is over, show progress on standard error, and return the last state.

    A terminal shows one line that is kept up to date; a file or a pipe gets a line for each change.
    Raises Interrupted after Ctrl-C: `meanwhile` says what goes on, `again` is the command that
    comes back to the work.
    """
    wait, shown = _FIRST_PAUSE, ""
    with _interruptible(meanwhile, again), _status(output) as status:
        while True:
            state = read()
            if over(state):
                return state
            line = progress(state)
            if status is not None:
                status.update(plain(line))
            elif without_age(line) != without_age(shown):
                output.note(line)
            shown = line
            pause(wait)
            wait = min(wait * _GROWTH, _LONGEST_PAUSE)


@contextmanager
def _interruptible(meanwhile: str, again: str) -> Iterator[None]:
    """Turn Ctrl-C into a message: what goes on, and how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(meanwhile, f"To come back: {again}") from None


@contextmanager
def _status(output: Output) -> Iterator[Status | None]:
    if not output.err.is_terminal:
        yield None
        return
    with output.err.status("") as status:
        yield status
