"""A real HTTP/1.1 server on loopback that records requests and breaks as a script says."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass(frozen=True)
class Request:
    """A request as it came over the socket."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    content: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None


class Line:
    """The server's end of a connection, passed to a script for each request."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping
        self.open = True

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def hold(self, seconds: float) -> None:
        """Stay silent for a while, or until the test is over."""
        self._stopping.wait(seconds)

    def close(self) -> None:
        self.open = False

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False


type Script = Callable[[Line], None]


def reply(
    status: int, body: Any = None, *, headers: dict[str, str] | None = None, content: bytes = b""
) -> Script:
    """Return a script for a correct answer with a JSON `body`, or with `content` as it is."""
    if body is not None:
        content = json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = [f"{name}: {value}" for name, value in (fields | (headers or {})).items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()
    return lambda line: line.send(head if status == 204 else head + content)


class Wire:
    """The server: `script` answers every request; `requests` and `connections` record them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.script: Script = reply(204)
        self.requests: list[Request] = []
        self.connections = 0
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Wire:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._tls:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        connection.settimeout(0.05)
        line = Line(connection, self._stopping)
        with connection, suppress(OSError):
            while line.open and (request := self._receive(connection)):
                self.requests.append(request)
                self.script(line)

    def _receive(self, connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self._more(connection)):
                return None
            data += more
        head, _, content = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        while len(content) < int(headers.get("content-length", "0")):
            content += self._more(connection)
        return Request(method, target, headers, content)

    def _more(self, connection: socket.socket) -> bytes:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                return connection.recv(65536)
        return b""
