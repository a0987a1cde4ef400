"""`python -m tools.faults`: does the fault harness work? A short run on a stack of its own.

Webhooks arrive while calls of AWS fail, processes of functions die, and calls of Codat fail. Each
event must be in the Inbox in the end. Exit code 1 if one is not, or if no fault of a kind came.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import httpx
from rich.console import Console

from tools.bench.migration_world import Inbox, codat_of
from tools.bench.own_stack import own_stack
from tools.faults.stack import FaultyStack
from tools.faults.storm import storm
from tools.local.stack import Options

_SETTLE_SECONDS: Final = 120.0


def main() -> None:
    given = _arguments().parse_args()
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    console = Console()
    console.print(f"seed {seed}")
    with own_stack(console, Options(), FaultyStack) as local:
        if not isinstance(local, FaultyStack):
            raise TypeError("the stack has no fault proxy")
        problems = _play(console, local, given, seed)
    for problem in problems:
        console.print(f"[red]✗[/] {problem}")
    console.print(f"seed {seed}: {len(problems)} problems")
    sys.exit(1 if problems else 0)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="what is drawn (default: drawn, and printed)")
    parser.add_argument("--events", type=int, default=200, help="webhooks (default 200)")
    parser.add_argument("--share", type=float, default=0.1, help="of calls that fail (default 0.1)")
    parser.add_argument("--kill", type=float, default=3.0, help="mean seconds between kills")
    return parser


def _play(
    console: Console, local: FaultyStack, given: argparse.Namespace, seed: int
) -> Sequence[str]:
    with codat_of(local) as client, storm(local, seed, given.share, kill=given.kill) as found:
        sent = _send(client, given.events)
        refused = Counter(_status(client, "/companies") for _ in range(3 * round(1 / given.share)))
        missing = _awaited(local, sent)
    console.print(f"{found.calls} calls of AWS, faults: {dict(found.aws)}")
    console.print(f"by operation: {dict(found.operations.most_common())}")
    console.print(f"killed: {dict(found.killed)}; {found.codat} faults of Codat: {dict(refused)}")
    problems = [f"{len(missing)} of {len(sent)} events are not in the Inbox"] if missing else []
    problems += [] if found.aws else ["no call of AWS failed"]
    problems += [] if found.killed else ["no process was killed"]
    problems += [] if len(refused) > 1 else ["no call of Codat failed"]
    return problems


def _send(client: httpx.Client, count: int) -> set[str]:
    body = {"eventType": "company.created", "payload": {"id": "of-the-smoke-test"}}
    return {
        client.post("/_sandbox/events", json=body).raise_for_status().json()["webhookId"]
        for _ in range(count)
    }


def _status(client: httpx.Client, path: str) -> str:
    time.sleep(0.05)  # the next fault is asked for ten times a second
    try:
        return str(client.get(path).status_code)
    except httpx.TransportError as cut:
        return type(cut).__name__


def _awaited(local: FaultyStack, sent: set[str]) -> set[str]:
    """Return the events that did not arrive in time."""
    inbox, until = Inbox(local), time.monotonic() + _SETTLE_SECONDS
    while missing := sent - set(inbox.items()):
        if time.monotonic() > until:
            break
        time.sleep(1)
    return missing


if __name__ == "__main__":
    main()
