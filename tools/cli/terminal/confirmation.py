"""Asks before a change.

In prod every change asks for the environment's name. Elsewhere only a command that removes or stops
something asks, and `--yes` answers.
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
    """The person did not confirm."""


@dataclass(frozen=True)
class Confirmation:
    """Asks unless an option answers: `yes` (--yes) outside prod, `yes_prod` only in prod."""

    env: Name
    yes: bool = False
    yes_prod: bool = False

    def ask_in_prod(self, question: str) -> None:
        """Ask a question such as `Add X to Y?`, in prod only. Raises Declined."""
        if self.env is Name.PROD:
            self.ask(question)

    def ask(self, question: str) -> None:
        """Ask in every environment: before a removal or a stop. Raises Declined."""
        err = console(stderr=True)
        if self.env is Name.PROD:
            if not self.yes_prod:
                _ask_for_name(err, question, self.env, "--yes-prod")
        elif not self.yes:
            answer = _answer(err, f"{question} [y/N] ", "--yes").lower()
            if answer not in {"y", "yes"}:
                raise Declined(NOTHING_CHANGED)


def _ask_for_name(err: Console, question: str, env: Name, option: str) -> None:
    typed = _answer(err, f"{question} This is {env}. Type '{env}' to go on: ", option)
    if typed != env:
        raise Declined(f"The answer is not '{env}'. {NOTHING_CHANGED}")


def _answer(err: Console, question: str, option: str) -> str:
    err.print(plain(question), end="", soft_wrap=True)
    try:
        return input().strip()
    except EOFError:
        err.print()
        hint = f"To go on without the question, add: {option}"
        raise Failure(f"No answer came from standard input. {NOTHING_CHANGED}", hint) from None
    except KeyboardInterrupt:
        err.print()
        raise Interrupted(NOTHING_CHANGED) from None


def hidden(question: str) -> str:
    """Ask for a secret without showing it. Raises Interrupted."""
    try:
        typed: str = typer.prompt(question, hide_input=True, err=True)
    except typer.Abort:
        raise Interrupted(NOTHING_CHANGED) from None
    return typed
