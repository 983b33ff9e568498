"""Servers on loopback that take a connection and are of no use, as brokers can be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Hole:
    """One listening socket, with whatever has to live as long as it."""

    def __init__(self, backlog: int) -> None:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.closed = threading.Event()

    def accept(self, serve: Callable[[socket.socket], None]) -> None:
        """Take every connection, in a thread."""

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = self.listener.accept()
                    self.connections.append(connection)
                    threading.Thread(
                        target=serve, args=(connection,), daemon=True
                    ).start()

        threading.Thread(target=run, daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        # A blocked accept() is only woken by a shutdown.
        for each in [self.listener, *self.connections]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def silent(hole: Hole) -> None:
    """Takes the connection and says nothing."""
    hole.accept(lambda connection: None)


def drip(hole: Hole) -> None:
    """Says a byte now and then: no read ever times out."""

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):
            while not hole.closed.wait(0.1):
                connection.send(b"A")

    hole.accept(serve)


def full(hole: Hole) -> None:
    """Its backlog is full: no connection comes about, as behind a firewall."""
    for _ in range(3):
        connection = socket.socket()
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.connect(("127.0.0.1", hole.port))
        hole.connections.append(connection)


KINDS: dict[str, Callable[[Hole], None]] = {
    "silent": silent,
    "drip": drip,
    "full": full,
}


@contextmanager
def open_one(kind: str) -> Iterator[int]:
    """Give the port of one; it ends with the block."""
    hole = Hole(backlog=0 if kind == "full" else 100)
    try:
        KINDS[kind](hole)
        yield hole.port
    finally:
        hole.close()
