"""Quiet logs and metrics while a simulation runs."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

_METRICS = "POWERTOOLS_METRICS_DISABLED"


@contextmanager
def silence() -> Iterator[None]:
    """Log and count nothing: a line for each call would take most of a simulation's time."""
    before, counted = logging.root.manager.disable, os.environ.get(_METRICS)
    logging.disable(logging.CRITICAL)
    os.environ[_METRICS] = "true"
    try:
        yield
    finally:
        logging.disable(before)
        if counted is None:
            del os.environ[_METRICS]
        else:
            os.environ[_METRICS] = counted
