"""The command line reads the options and refuses bad ones in one sentence, with exit code 2."""

import argparse
import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from tools.sandbox import persistence
from tools.sandbox.options import DEFAULT_API_KEY, DEFAULT_CLIENT_ID, LockScope, Options
from tools.sandbox.options import ProductsOnCreate as OnCreate
from tools.sandbox.serve import CannotStart, serve
from tools.sandbox.webhooks import consumers

EXIT_OK = 0
EXIT_MISUSE = 2


def main(arguments: list[str]) -> int:
    """Run a sandbox until SIGTERM or SIGINT and return the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        saved = persistence.load(chosen.state) if chosen.state else None
    except (ValidationError, OSError) as problem:
        reason = str(problem).splitlines()[0]
        parser.error(f"--state {chosen.state} is not a sandbox's state: {reason}")
    try:
        asyncio.run(
            serve(
                _options(chosen),
                chosen.host,
                chosen.port,
                speed=chosen.speed,
                state_file=chosen.state,
                saved=saved,
            )
        )
    except CannotStart as problem:
        parser.exit(EXIT_MISUSE, f"{parser.prog}: {problem}\n")
    return EXIT_OK


def _options(chosen: argparse.Namespace) -> Options:
    return Options(
        api_key=chosen.api_key,
        client_id=chosen.client_id,
        companies=chosen.companies,
        seed=chosen.seed,
        read_seconds=chosen.read_seconds,
        failure_seconds=chosen.failure_seconds,
        failing_share=chosen.failing_share,
        retry_scale=chosen.retry_scale,
        lock_scope=LockScope(chosen.lock_scope),
        products_on_create=OnCreate(chosen.products_on_create),
        minute_limit=chosen.minute_limit,
        old_consumers_url=chosen.old_consumers,
        run=uuid.uuid4().hex,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that answers misuse with one sentence; --help has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_MISUSE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m tools.sandbox",
        description="A stateful fake of Codat's API. Prints one JSON line when it is ready: "
        "url, api_key, custom_products, client_id. Logs go to stderr.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=_whole(0, 65535), default=0, help="port to listen on; 0 takes a free one")
    add("--api-key", type=_text, default=DEFAULT_API_KEY, help="the key that clients must send")
    add("--client-id", type=_uuid, default=DEFAULT_CLIENT_ID, help="uuid of the client")
    add("--companies", type=_whole(0, 100_000), default=20, help="how many companies to seed")
    add("--seed", type=_whole(0, 2**63), default=7, help="the same seed gives the same companies")
    add(
        "--speed",
        type=_number(0.001, 100_000),
        default=1.0,
        help="sandbox seconds per real second; webhook retries always run in real seconds",
    )
    add(
        "--read-seconds",
        type=_number(0, 86_400),
        default=2.0,
        help="how long a read takes, in sandbox seconds",
    )
    add(
        "--failure-seconds",
        type=_number(0, 86_400),
        default=10.0,
        help="how long a failing read is tried again before it ends in error, in sandbox seconds",
    )
    add(
        "--failing-share",
        type=_number(0, 1),
        default=0.05,
        help="part of the seeded companies, 0 to 1, of which one data type keeps failing",
    )
    add(
        "--retry-scale",
        type=_number(0, 1000),
        default=0.01,
        help="multiplies the delays between webhook attempts; 1 is Codat's 28 hours",
    )
    add("--lock-scope", choices=[*LockScope], default=LockScope.PRODUCT, help="what a read locks")
    add(
        "--products-on-create",
        choices=[*OnCreate],
        default=OnCreate.ACCEPT,
        help="what Create company does with products",
    )
    add(
        "--minute-limit",
        type=_whole(0, 1_000_000),
        default=1000,
        help="requests a minute from one address; 0 for no limit",
    )
    add("--old-consumers", type=_url, metavar="URL", help="seed old consumers that post to URL")
    add("--state", type=Path, metavar="FILE", help="keep the state in FILE over restarts")
    return parser


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a uuid") from None


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _url(text: str) -> str:
    if not consumers.is_address(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https address")
    return text
