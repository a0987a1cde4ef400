"""Shows a person the steps that start the stack, and the failure of a step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tools.local.processes import StepFailed
from tools.samconfig import ROOT

_TITLES = {
    "build": "Build the functions and their layer",
    "emulator": "Start the AWS emulator (MiniStack, IAM enforced)",
    "deploy": "Deploy template.yaml",
    "sandbox": "Start the Codat sandbox",
    "connect": "Subscribe the hub to the sandbox's webhooks",
    "fill": "Register products, import companies, record consents",
}


class ConsoleReporter:
    """Prints one line a step: its name, its time and a detail."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._detail = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        title, started, self._detail = _TITLES[name], time.monotonic(), ""
        if self._console.is_terminal:
            with self._console.status(title):
                yield
        else:
            yield
        took = f"{time.monotonic() - started:.1f} s"
        detail = f", {self._detail}" if self._detail else ""
        self._console.print(f"  [green]✓[/] {title} [dim]({took}{detail})[/]")

    def detail(self, text: str) -> None:
        self._detail = text


def show_failure(console: Console, error: StepFailed, lines: int = 15) -> None:
    """Print what failed, the end of its log, and what to do next."""
    console.print(f"\n[bold red]Failed:[/] {error}", highlight=False)
    if error.log is not None and error.log.exists():
        shown = error.log.relative_to(ROOT) if error.log.is_relative_to(ROOT) else error.log
        console.print(f"The last lines of {shown}:", highlight=False)
        for line in error.log.read_text(errors="replace").splitlines()[-lines:]:
            console.print(f"    {line}", markup=False, highlight=False)
    console.print("Everything that this run started is stopped.")
    console.print("Remove the cause, then run the same command again.")
