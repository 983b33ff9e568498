"""A scripted HTTP server on loopback, for what no mock of a client can show.

>>> with FaultServer(status(503, retry_after="2"), answer({"ok": True})) as server:
...     ask(server.url)

plays its replies in this order, the last one again and again. A callable that takes a
``Request`` and returns a ``Reply`` may stand in their place.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from types import TracebackType
from typing import Any, Literal, Self

#: Of each of the requests, so that a test that goes wrong ends.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: Counted from 1, so that reuse can be seen.
    connection: int

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, or what comes in its place."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: Sent after the body, piece by piece.
    more: Callable[[], Iterator[bytes]] | None = None
    #: Sent in place of status line, headers and body.
    raw: bytes | None = None
    #: Only so many bytes of the body are sent.
    cut: int | None = None
    #: Seconds before the first byte.
    delay: float = 0.0
    #: Seconds after each byte of the body ("body") or of everything ("all").
    drip: float = 0.0
    drips: Literal["all", "body"] = "body"
    #: Whether the request is read first.
    reads: bool = True
    #: What becomes of the connection.
    then: Literal["keep", "close", "reset", "hang"] = "keep"


def answer(data: object, status: int = 200, **headers: str) -> Reply:
    """JSON. Header names are written with underscores."""
    return body(json.dumps(data).encode(), "application/json", status, **headers)


def body(content: bytes, content_type: str, status: int = 200, **headers: str) -> Reply:
    """Any content."""
    return Reply(
        status=status,
        headers={"Content-Type": content_type, **_named(headers)},
        body=content,
    )


def status(code: int, data: object = None, **headers: str) -> Reply:
    """A status, with a JSON body where ``data`` is given."""
    if data is not None:
        return answer(data, code, **headers)
    return Reply(status=code, headers=_named(headers))


def redirect(location: str, code: int = 302) -> Reply:
    """To somewhere else."""
    return Reply(status=code, headers={"Location": location})


def reset(**options: Any) -> Reply:
    """The connection is reset in place of an answer."""
    return Reply(raw=b"", then="reset", **options)


def hang_up(**options: Any) -> Reply:
    """The connection is closed in place of an answer."""
    return Reply(raw=b"", then="close", **options)


def black_hole(**options: Any) -> Reply:
    """Accepts, and never answers."""
    return Reply(raw=b"", then="hang", **options)


def truncated(data: object, cut: int) -> Reply:
    """Breaks off after ``cut`` bytes of the body that its length announces."""
    content = json.dumps(data).encode()
    return Reply(
        headers={"Content-Type": "application/json"},
        body=content,
        cut=cut,
        then="close",
    )


def gzip_bomb(megabytes: int, code: int = 200) -> Reply:
    """A JSON string of that size, packed to a thousandth."""
    packed = gzip.compress(b'{"a": "' + b"x" * megabytes * 1_000_000 + b'"}')
    return body(packed, "application/json", code, content_encoding="gzip")


def endless(piece: bytes = b"x" * 65536, code: int = 200) -> Reply:
    """A body without an end and without a length."""
    return Reply(
        status=code,
        headers={"Content-Type": "application/json", "Connection": "close"},
        body=b'{"a": "',
        more=lambda: repeat(piece),
        then="close",
    )


def huge_headers(count: int = 90, size: int = 60_000) -> Reply:
    """As much as an HTTP library may be willing to read before any body."""
    padding = {f"X-Padding-{number}": "x" * size for number in range(count)}
    return Reply(headers={"Content-Type": "application/json", **padding}, body=b"{}")


Script = Callable[[Request], Reply]


class FaultServer:
    """Serve ``replies`` from a thread while used as a context manager.

    ``context`` makes it speak TLS. ``requests`` holds what arrived, ``connections``
    counts what was accepted.
    """

    def __init__(
        self, *replies: Reply | Script, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.play(*replies)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def play(self, *replies: Reply | Script) -> None:
        """Begin another script, and forget what arrived."""
        with self._lock:
            self._replies = list(replies)
            self.requests: list[Request] = []
            self.connections = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and thread."""
        self._stopping.set()
        with suppress(OSError):
            # Wakes the thread that accepts.
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        with self._lock:
            for connection in self._sockets:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            connection.settimeout(PATIENCE)
            with self._lock:
                self._sockets.add(connection)
                self.connections += 1
                number = self.connections
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        plain = connection
        # What the client breaks is the test's business.
        with suppress(OSError, ValueError):
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection.makefile("rb") as stream:
                    while self._answer(connection, stream, number):
                        pass
            finally:
                with self._lock:
                    self._sockets.discard(plain)
                connection.close()

    def _answer(self, connection: socket.socket, stream: Any, number: int) -> bool:
        """One request and its reply; whether the connection goes on."""
        request = Request("", "", {}, b"", number)
        if self._peek().reads:
            if (read := _read(stream, number)) is None:
                return False
            request = read
        reply = self._next(request)
        if self._stopping.wait(reply.delay):
            return False
        self._send(connection, reply)
        if reply.then == "hang":
            self._stopping.wait(PATIENCE)
        elif reply.then == "reset":
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        return reply.then == "keep"

    def _peek(self) -> Reply:
        with self._lock:
            following = self._replies[0]
        return following if isinstance(following, Reply) else Reply()

    def _next(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            following = self._replies[0]
            if len(self._replies) > 1:
                self._replies.pop(0)
        return following if isinstance(following, Reply) else following(request)

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        head, content = _head(reply), reply.body[: reply.cut]
        if reply.raw is not None:
            head, content = reply.raw, b""
        if not reply.drip:
            connection.sendall(head + content)
        elif reply.drips == "body":
            connection.sendall(head)
            self._drip(connection, content, reply.drip)
        else:
            self._drip(connection, head + content, reply.drip)
        for piece in reply.more() if reply.more else ():
            connection.sendall(piece)
            if reply.drip and self._stopping.wait(reply.drip):
                return

    def _drip(self, connection: socket.socket, content: bytes, pause: float) -> None:
        for place in range(len(content)):
            connection.sendall(content[place : place + 1])
            if self._stopping.wait(pause):
                return


def _head(reply: Reply) -> bytes:
    headers = dict(reply.headers)
    if reply.more is None and reply.status >= 200:
        headers.setdefault("Content-Length", str(len(reply.body)))
    lines = [f"HTTP/1.1 {reply.status} Whatever"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read(stream: Any, number: int) -> Request | None:
    first = stream.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    content = stream.read(int(headers.get("content-length", 0)))
    return Request(first[0], first[1], headers, content, number)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}
