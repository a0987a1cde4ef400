"""`make demo`: bring the whole hub up, play the story, check it, leave nothing running."""

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from tools.starting import INTERRUPTED, importing

with importing():
    from rich.console import Console

    from tools.demo import control, migration, products, refresh, webhooks
    from tools.demo.hub import Hub
    from tools.demo.story import Story
    from tools.local.interruption import interrupt_once
    from tools.local.processes import StepFailed
    from tools.local.report import ConsoleReporter, show_failure
    from tools.local.stack import LocalStack, Options

_COMPANIES: Final = 8  # a migration calls for each of them, at Codat's pace


def main() -> None:
    interrupt_once()
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a log has no edge to wrap at
    state = Path(tempfile.mkdtemp(prefix="codat-hub-demo-"))
    begun, exit_code = time.monotonic(), 1
    options = replace(Options.from_env(), companies=_COMPANIES)
    local = LocalStack(state, ConsoleReporter(console), options)
    try:
        console.print(
            "[bold]Codat Hub[/] on this machine: no AWS account, no Docker, no Codat key."
        )
        hub = Hub(local, local.up())
        console.print("\n[bold]Webhooks[/], signed as Codat signs them, into DynamoDB:")
        story = Story(console)
        with story.telling():
            webhooks.tell(story, hub)
            products.tell(story, hub)
            control.tell(story, hub)
            refresh.tell(story, hub)
            migration.tell(story, hub)
        exit_code = _summary(console, story, time.monotonic() - begun)
    except StepFailed as error:
        show_failure(console, error)
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        exit_code = INTERRUPTED
    finally:
        local.down()
    if exit_code == 0:
        shutil.rmtree(state, ignore_errors=True)
    else:
        console.print(f"Nothing is left running. Logs are kept in {state}/logs", highlight=False)
    sys.exit(exit_code)


def _summary(console: Console, story: Story, seconds: float) -> int:
    checked = sum(len(scene.expectations) for scene in story.scenes)
    broken = story.broken
    for what in broken:
        console.print(f"  [red]✗[/] {what}", highlight=False)
    if broken:
        console.print(f"\n[bold red]{len(broken)} of {checked} expectations did not hold.[/]")
        return 1
    console.print(
        f"\n[bold green]All {checked} expectations held[/] in {seconds:.0f} s. "
        "Nothing is left running. Keep a hub to play with: make up"
    )
    return 0


if __name__ == "__main__":
    main()
