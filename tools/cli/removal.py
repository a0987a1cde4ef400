"""Taking a product from a company, until it is sure to be gone."""

from collections.abc import Callable
from typing import Any

from tools.cli.terminal.output import Output
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]


def until_gone(output: Output, remove: Callable[[], Json], again: str) -> Json:
    """Repeat a removal while a call that adds the product may still arrive at Codat: a minute."""
    return watch(
        output,
        remove,
        over=lambda assignment: assignment["status"] != "removing",
        progress=lambda assignment: assignment["status"],
        again=again,
        meanwhile="Not sure to be gone yet: a call that adds it may still arrive at Codat.",
    )
