"""Where the demo can listen."""

from __future__ import annotations

import socket

from django.core.management import CommandError

HOST = "127.0.0.1"
#: How many ports are tried before giving up.
TRIES = 100


def free_port(first: int) -> int:
    """Return the first port from ``first`` on that nobody listens on."""
    if not 1 <= first <= 65535:
        raise CommandError(f"There is no port {first}: choose one from 1 to 65535.")
    last = min(first + TRIES - 1, 65535)
    for port in range(first, last + 1):
        with socket.socket() as probe:
            # As the server does it, which may follow a server that has just ended.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except PermissionError:
                raise CommandError(
                    f"You may not listen on port {port}: choose one above 1023."
                ) from None
            except OSError:
                continue
        return port
    raise CommandError(
        f"All ports from {first} to {last} are busy: choose another with --port."
    )
