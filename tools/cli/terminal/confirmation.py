"""Asking before a change. In prod every change asks for the environment's name; elsewhere only what
removes or stops something asks, and `--yes` answers.
"""

from dataclasses import dataclass
from typing import Final

import typer
from rich.console import Console

from tools.cli.environments import Name
from tools.cli.failures import Failure, Interrupted
from tools.cli.terminal.output import console, plain

NOTHING_CHANGED: Final = "Nothing was changed."


class Declined(Failure):
    """The person said no."""


@dataclass(frozen=True)
class Leave:
    """What was said beforehand: `yes` (--yes) counts outside prod, `yes_prod` there."""

    env: Name
    yes: bool = False
    yes_prod: bool = False

    def to_change(self, what: str) -> None:
        """Ask in prod. Raises Declined. `what` is a question such as `Add X to Y?`."""
        if self.env is Name.PROD:
            self.to_remove(what)

    def to_remove(self, what: str) -> None:
        """Ask before something that takes away or stops. Raises Declined."""
        err = console(stderr=True)
        if self.env is Name.PROD:
            if not self.yes_prod:
                _name_typed(err, what, self.env, "--yes-prod")
        elif not self.yes:
            answer = _answer(err, f"{what} [y/N] ", "--yes").lower()
            if answer not in {"y", "yes"}:
                raise Declined(NOTHING_CHANGED)


def _name_typed(err: Console, what: str, env: Name, option: str) -> None:
    typed = _answer(err, f"{what} This is {env}. Type '{env}' to go on: ", option)
    if typed != env:
        raise Declined(f"That is not '{env}'. {NOTHING_CHANGED}")


def _answer(err: Console, question: str, option: str) -> str:
    err.print(plain(question), end="", soft_wrap=True)
    try:
        return input().strip()
    except EOFError:
        err.print()
        raise Failure(
            f"There is nobody to ask. {NOTHING_CHANGED}", f"To do it without a question: {option}"
        ) from None
    except KeyboardInterrupt:
        err.print()
        raise Interrupted(NOTHING_CHANGED) from None


def hidden(question: str) -> str:
    """Ask for something that is not shown. Raises Interrupted."""
    try:
        typed: str = typer.prompt(question, hide_input=True, err=True)
    except typer.Abort:
        raise Interrupted(NOTHING_CHANGED) from None
    return typed
