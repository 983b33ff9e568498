"""A TCP proxy before the broker, which writes down all that passes.

``python -m tests.chaos.proxy PORT HOST PORT``. What it wrote is searched for the
canary; killing it is killing the broker for all who stand before it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from .run import folder


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path
) -> None:
    """Pass on until either end is gone; a file a direction, so nothing is torn."""
    with path.open("ab", buffering=0) as recording, suppress(OSError):
        while data := await reader.read(65536):
            recording.write(data)
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


class Proxy:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.connections = 0
        self.folder = folder() / "broker"

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        name = f"{os.getpid()}-{self.connections}"
        try:
            there = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            pump(reader, there[1], self.folder / f"{name}-sent"),
            pump(there[0], writer, self.folder / f"{name}-received"),
        )


async def serve(port: int, host: str, there: int) -> None:
    proxy = Proxy(host, there)
    proxy.folder.mkdir(exist_ok=True)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
