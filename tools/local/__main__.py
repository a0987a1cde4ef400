"""`python -m tools.local up|down`: start and stop a local stack that stays running."""

import sys
from pathlib import Path

from tools.starting import INTERRUPTED, importing

with importing():
    from rich.console import Console

    from tools.local.interruption import interrupt_once
    from tools.local.processes import StepFailed
    from tools.local.report import ConsoleReporter, show_failure
    from tools.local.stack import DEFAULT_STATE, Description, LocalStack, Options
    from tools.samconfig import ROOT


def show_stack(console: Console, stack: Description, description: Path) -> None:
    rows = {
        "AWS emulator": stack["endpoint_url"],
        "Codat sandbox": f"{stack['sandbox_url']}  (open it in a browser)",
        "Control API": stack["api_url"],
        "Webhook URL": stack["webhook_url"],
        "Inbox table": stack["inbox_table"],
        "Description": str(description.relative_to(ROOT)),
    }
    console.print("\nThe hub is up.")
    for name, value in rows.items():
        console.print(f"  {name:<14} {value}", highlight=False)
    console.print("Operate it: tools/hub status --env local")
    console.print("Stop it:    make down")


def main() -> None:
    interrupt_once()
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
        console.print("\nInterrupted. Everything that this run started is stopped.")
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
