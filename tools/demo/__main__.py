"""`make demo`: start the whole hub, play and check the scenes, and leave nothing running."""

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

_COMPANIES: Final = 8  # a migration makes calls for each of them, at Codat's pace


def main() -> None:
    interrupt_once()
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file or a pipe is not wrapped
    state = Path(tempfile.mkdtemp(prefix="codat-hub-demo-"))
    started, exit_code = time.monotonic(), 1
    options = replace(Options.from_env(), companies=_COMPANIES)
    local = LocalStack(state, ConsoleReporter(console), options)
    try:
        console.print(
            "[bold]Codat Hub[/] on this machine, without an AWS account, Docker or a Codat key:"
        )
        hub = Hub(local, local.up())
        console.print("\n[bold]Scenes[/], each played on the deployed stack and checked:")
        story = Story(console)
        with story.on_screen():
            webhooks.play(story, hub)
            consumer = products.play(story, hub)
            control.play(story, hub)
            refresh.play(story, hub)
            migration.play(story, hub, consumer)
        exit_code = _summary(console, story, time.monotonic() - started)
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
        console.print(f"Everything is stopped. The logs are in {state}/logs", highlight=False)
    sys.exit(exit_code)


def _summary(console: Console, story: Story, seconds: float) -> int:
    checked = sum(len(scene.expectations) for scene in story.scenes)
    broken = story.broken
    for expectation in broken:
        console.print(f"  [red]✗[/] {expectation}", highlight=False)
    if broken:
        console.print(f"\n[bold red]{len(broken)} of {checked} expectations did not hold.[/]")
        return 1
    console.print(
        f"\n[bold green]All {checked} expectations held[/] in {seconds:.0f} s. "
        "Everything is stopped. To keep a hub running, use: make up"
    )
    return 0


if __name__ == "__main__":
    main()
