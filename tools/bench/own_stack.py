"""A benchmark has a local stack of its own, with nothing in it that it did not put there."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from tools.local.processes import StepFailed
from tools.local.report import ConsoleReporter, show_failure
from tools.local.stack import Description, LocalStack, Options


class Unfilled(LocalStack):
    """A hub without companies; the benchmark seeds them."""

    def _fill(self, stack: Description) -> None:  # noqa: ARG002  # as its caller has it
        return None


@contextmanager
def own_stack(
    console: Console, options: Options, kind: type[LocalStack] = Unfilled
) -> Iterator[LocalStack]:
    """Start a stack, and stop it in any case; exit if it does not start."""
    state = Path(tempfile.mkdtemp(prefix="codat-hub-bench-"))
    local = kind(state, ConsoleReporter(console), options)
    try:
        local.up()
        yield local
    except StepFailed as error:
        show_failure(console, error)
        sys.exit(1)
    finally:
        local.down()
        shutil.rmtree(state, ignore_errors=True)


def companies(codat: httpx.Client) -> Iterator[dict[str, Any]]:
    """Walk through Codat's list of companies."""
    page = 1
    while found := codat.get(f"/companies?pageSize=100&page={page}").json()["results"]:
        yield from found
        page += 1


def most(moments: list[datetime], window: timedelta) -> int:
    """Return the highest number of these sorted moments in any window of that length."""
    first, most_yet = 0, 0
    for last, at in enumerate(moments):
        while at - moments[first] >= window:
            first += 1
        most_yet = max(most_yet, last - first + 1)
    return most_yet
