"""Ctrl-C while a program still imports what it needs: nothing has begun, so nothing is said."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # as a shell reports SIGINT


@contextmanager
def importing() -> Iterator[None]:
    """End the process at the first Ctrl-C in this block: no traceback, exit code 130.

    Where it means something else already, as in a program started with it ignored, it stays so,
    and in another thread, which Ctrl-C does not reach.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_signal: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)  # an exception could be swallowed by whatever is being imported
