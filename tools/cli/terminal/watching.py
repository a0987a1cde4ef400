"""Watching long work that goes on in the hub: its end, or Ctrl-C, which stops the watching only."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.status import Status

from tools.cli.failures import Interrupted
from tools.cli.terminal.moments import without_age
from tools.cli.terminal.output import Output, plain

type Json = dict[str, Any]

_FIRST_PAUSE: Final = 0.5  # seconds; it grows, since what takes long is watched for long
_LONGEST_PAUSE: Final = 5.0
_GROWTH: Final = 1.3
GOES_ON: Final = "No longer watching; the hub goes on by itself."
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
    """Read until it is over, showing progress on standard error; return the last state.

    `again`: the command that comes back to it, said after Ctrl-C (raised as Interrupted) behind
    `meanwhile`, what is true until then.
    On a terminal one line is kept up to date; elsewhere each change becomes a line.
    """
    wait, shown = _FIRST_PAUSE, ""
    with _going_on(meanwhile, again), _status(output) as status:
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
def _going_on(meanwhile: str, again: str) -> Iterator[None]:
    """Turn Ctrl-C into a word on what goes on, and how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(meanwhile, f"Come back to it: {again}") from None


@contextmanager
def _status(output: Output) -> Iterator[Status | None]:
    if not output.err.is_terminal:
        yield None
        return
    with output.err.status("") as status:
        yield status
