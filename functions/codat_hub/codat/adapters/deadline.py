"""A deadline for a whole call, kept in every wait for the network.

httpx has a timeout for each wait only, and restarts it with every byte. A server that sends a head,
an interim answer, a chunk extension or a trailer byte by byte can make a call last for hours, and
no code of the hub runs meanwhile. So the timeout of the socket is cut to the time that is left. A
watchdog thread cannot do this: until the head is there, the call's connection is not known.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

# A call and all its waits are in one thread, so each call has its own deadline.
_ends_at: ContextVar[float | None] = ContextVar("_ends_at", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit all waits for the network inside the block, over a BoundedTransport, to this time."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def is_over() -> bool:
    """Tell whether the time of the enclosing `within` is up."""
    ends_at = _ends_at.get()
    return ends_at is not None and time.monotonic() >= ends_at


class BoundedTransport(httpx.HTTPTransport):
    """httpx's transport over connections that keep the deadline; `keepalive_expiry` in seconds."""

    def __init__(self, *, keepalive_expiry: float) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        # httpcore takes a network backend, but httpx passes none on.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, keepalive_expiry=keepalive_expiry, network_backend=_Backend()
        )


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        timeout = _at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, timeout, *args, **options))


class _Stream(httpcore.NetworkStream):
    """A connection. Over TLS too, a timeout is for the whole read, not for each byte."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _at_most(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _at_most(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _at_most(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _at_most(timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float | None:
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0:
        raise too_late("the time of the whole call is up")
    return left if timeout is None else min(timeout, left)
