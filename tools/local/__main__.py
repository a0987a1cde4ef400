"""`python -m tools.local up|down`: keep the local stack running to play with."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.build import ROOT
from tools.local.processes import StepFailed
from tools.local.stack import DEFAULT_STATE, LocalStack, Options

_WHAT = {
    "build": "Build the functions and their layer",
    "emulator": "Start the AWS emulator (MiniStack, IAM enforced)",
    "deploy": "Deploy template.yaml",
    "sandbox": "Start the Codat sandbox",
    "connect": "Subscribe the hub to the sandbox's webhooks",
}


class ConsoleReporter:
    """One line a step: what, how long, and what was worth saying."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._detail = ""

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        title, begun, self._detail = _WHAT[what], time.monotonic(), ""
        if self._console.is_terminal:
            with self._console.status(title):
                yield
        else:
            yield
        took = f"{time.monotonic() - begun:.1f} s"
        detail = f", {self._detail}" if self._detail else ""
        self._console.print(f"  [green]✓[/] {title} [dim]({took}{detail})[/]")

    def detail(self, text: str) -> None:
        self._detail = text


def show_failure(console: Console, error: StepFailed, lines: int = 15) -> None:
    """Say what failed, show the end of its log and where the rest is."""
    console.print(f"\n[bold red]Failed:[/] {error}", highlight=False)
    if error.log is None or not error.log.exists():
        return
    shown = error.log.relative_to(ROOT) if error.log.is_relative_to(ROOT) else error.log
    console.print(f"The last lines of {shown}:", highlight=False)
    for line in error.log.read_text(errors="replace").splitlines()[-lines:]:
        console.print(f"    {line}", markup=False, highlight=False)
    console.print("Nothing that this run started was left running.", highlight=False)


def show_stack(console: Console, stack: dict[str, Any], description: Path) -> None:
    rows = {
        "AWS emulator": stack["endpoint_url"],
        "Codat sandbox": f"{stack['sandbox_url']}  (open it in a browser)",
        "Webhook URL": stack["webhook_url"],
        "Inbox table": stack["inbox_table"],
        "All of it": str(description.relative_to(ROOT)),
    }
    console.print("\nThe hub is up.")
    for name, value in rows.items():
        console.print(f"  {name:<14} {value}", highlight=False)
    console.print("Stop it with: make down")


def main() -> None:
    console = Console(soft_wrap=True)
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        if command == "up":
            stack = LocalStack(DEFAULT_STATE, ConsoleReporter(console), Options.from_env())
            show_stack(console, stack.up(), stack.description)
        elif command == "down":
            stopped = LocalStack(DEFAULT_STATE, ConsoleReporter(console)).down()
            console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
        else:
            raise SystemExit("usage: python -m tools.local up|down")
    except StepFailed as error:
        show_failure(console, error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing that this run started was left running.")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
