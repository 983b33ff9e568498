"""A fault server for each test, and a provider with short timeouts that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_contentsafety.http import close_sessions
from django_contentsafety.testing.fault_server import FaultServer, Reply, answer
from django_contentsafety.testing.remote import RemoteProvider

#: 44 characters as a real key has, none of them in a text.
KEY = "k3yCANARYk3yCANARYk3yCANARYk3yCANARYk3yCANARY"
TEXT = "text-CANARY, as somebody wrote it"

#: An answer that would be *allow*.
FINE = {
    "scores": [
        {"category": name, "score": 0.0, "severity": 0, "detected": False}
        for name in ("Hate", "Violence")
    ]
}
ASKED = ["Hate", "Violence"]

#: Seconds: for tests of what is slow, and for all others on a busy machine.
CONNECT, READ, TOTAL = 0.3, 0.3, 0.6
HASTY = {"connect_timeout": CONNECT, "read_timeout": READ, "total_timeout": TOTAL}
PATIENT = {"connect_timeout": 5, "read_timeout": 20, "total_timeout": 30}


def remote(endpoint: str, **options: Any) -> RemoteProvider:
    """A provider that asks ``endpoint``."""
    return RemoteProvider(
        "remote", **{"endpoint": endpoint, "key": KEY, **PATIENT, **options}
    )


def patience(reply: Reply) -> dict[str, float]:
    """The timeouts for a test of ``reply``."""
    slow = reply.drip or reply.delay or reply.then == "hang"
    return HASTY if slow else PATIENT


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Answers *nothing found* until a test lets it play something else."""
    with FaultServer(answer(FINE)) as server:
        yield server
        close_sessions()


@pytest.fixture
def provider(server: FaultServer) -> RemoteProvider:
    return remote(server.url)
