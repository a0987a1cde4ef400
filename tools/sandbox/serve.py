"""One process has a socket, a server, the sandbox's own loop and a clean end."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn

from tools.sandbox import persistence
from tools.sandbox.http.app import create_app
from tools.sandbox.http.connections import AbortableProtocol
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox

log = logging.getLogger("sandbox")

# In real seconds: how often the state file is written, and how long a stop may take.
SAVE_EVERY: Final = 5.0
STOP_WITHIN: Final = 1


class CannotStart(Exception):  # reads as a sentence where it is caught
    """The address cannot be used, or the state file cannot be written."""


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready and treats a stop by signal as an ordinary end."""

    def __init__(self, config: uvicorn.Config, ready: dict[str, Any]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(json.dumps(self._ready), flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(
    options: Options,
    host: str,
    port: int,
    *,
    speed: float = 1.0,
    state_file: Path | None = None,
    saved: persistence.Snapshot | None = None,
) -> None:
    """Serve until a signal. Raises CannotStart for an unusable address or state file."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    listener = _listen(host, port)
    sandbox = Sandbox(options, speed, saved)
    if state_file:
        _try_to_save(sandbox, state_file)
    server = _Server(_config(sandbox), _ready(sandbox, listener))
    helpers = [asyncio.create_task(_loop_forever(sandbox))]
    if state_file:
        helpers.append(asyncio.create_task(_save_regularly(sandbox, state_file)))
    await server.serve(sockets=[listener])
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    if state_file:
        persistence.save(state_file, sandbox.snapshot())


def _try_to_save(sandbox: Sandbox, path: Path) -> None:
    try:
        persistence.save(path, sandbox.snapshot())
    except OSError as problem:
        raise CannotStart(f"cannot write the state to {path}: {problem.strerror}") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as problem:
        raise CannotStart(f"cannot listen on {host} port {port}: {problem.strerror}") from None
    return listener


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(sandbox),
        http=AbortableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Clients keep idle connections for less, so that no request meets a closed connection.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_WITHIN,
    )


def _ready(sandbox: Sandbox, listener: socket.socket) -> dict[str, Any]:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    products = sandbox.world.state.products.values()
    return {
        "url": f"http://{shown}:{port}",
        "api_key": sandbox.options.api_key,
        "custom_products": [product.identifier for product in products if product.custom],
        "client_id": sandbox.options.client_id,
    }


async def _loop_forever(sandbox: Sandbox) -> None:
    """Log a fault of one round and go on: the API must stay up to be looked at."""
    while True:
        try:
            await sandbox.run()
        except Exception:
            log.exception("the sandbox's loop failed and goes on")
            await asyncio.sleep(1)


async def _save_regularly(sandbox: Sandbox, path: Path) -> None:
    while True:
        await asyncio.sleep(SAVE_EVERY)
        try:
            persistence.save(path, sandbox.snapshot())
        except Exception:
            log.exception("the state could not be saved and will be tried again")
