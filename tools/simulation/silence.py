"""Quiet logs and metrics while a simulation runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def silence() -> Iterator[None]:
    """Log and count nothing: a line for each call would take most of a simulation's time."""
    from codat_hub.telemetry import metrics  # noqa: PLC0415  # it reads the environment

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with patch.object(metrics, "add_metric"):  # at 100 values it prints them
            yield
    finally:
        logging.disable(before)
