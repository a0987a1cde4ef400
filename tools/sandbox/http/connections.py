"""Cut a client's connection instead of answering, which the web framework cannot do."""

import asyncio
from typing import cast

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

# Client address → its open connection.
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class AbortableProtocol(H11Protocol):
    """HTTP as usual, with each connection found by its client's address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection."""
        _transports[_peer(transport)] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _transports.pop(_peer(self.transport), None)
        super().connection_lost(exc)


async def abort(request: Request) -> None:
    """Reset the client's connection; in a test without a socket the request fails instead."""
    peer = (request.client.host, request.client.port) if request.client else ("", 0)
    transport = _transports.get(peer)
    if transport is None:
        raise ConnectionResetError("The sandbox was asked to cut this connection.")
    transport.abort()
    await asyncio.sleep(0.01)  # until the server has noticed, so that it writes no answer


def _peer(transport: asyncio.BaseTransport) -> tuple[str, int]:
    return cast("tuple[str, int]", tuple(transport.get_extra_info("peername")[:2]))
