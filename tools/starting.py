"""Ends a program silently if Ctrl-C comes while it imports its modules."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130  # the exit code that a shell reports for SIGINT


@contextmanager
def importing() -> Iterator[None]:
    """End the process at the first Ctrl-C in this block: no traceback, exit code 130.

    If SIGINT has another handler already, such as "ignore", it is left alone. So is another
    thread, because Ctrl-C reaches only the main thread.
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
    os._exit(INTERRUPTED)  # the module being imported could catch an exception
