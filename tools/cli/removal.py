"""Removes a product from a company and waits until it stays removed."""

from collections.abc import Callable
from typing import Any

from tools.cli.terminal.output import Output
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]


def until_gone(output: Output, remove: Callable[[], Json], again: str) -> Json:
    """Repeat the removal until no earlier call can add the product again: about a minute."""
    return watch(
        output,
        remove,
        over=lambda assignment: assignment["status"] != "removing",
        progress=lambda assignment: assignment["status"],
        again=again,
        meanwhile="The product may come back: an earlier call that adds it may still reach Codat.",
    )
