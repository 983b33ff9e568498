"""One table of a party: its service behind a fault server, and its provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from django_contentsafety.decisions import decide
from django_contentsafety.http import close_sessions
from django_contentsafety.providers import Provider
from django_contentsafety.testing.fault_server import (
    FaultServer,
    Reply,
    Request,
    Script,
    black_hole,
)
from django_contentsafety.verdicts import Verdict

from .parties import ALIAS, PARTIES, REMOTE, Party


@dataclass
class Table:
    """A party that can be asked; ``server`` is None where it asks nobody."""

    party: Party
    server: FaultServer | None

    def provider(self, **options: Any) -> Provider:
        """Without a memory of what it was asked before."""
        endpoint = self.server.url if self.server else ""
        return self.party.make(endpoint=endpoint, **options)

    def analyze(self, *texts: str, **options: Any) -> list[Verdict]:
        return self.provider(**options).analyze(list(texts), self.party.asked)

    def decision(self, verdict: Verdict) -> str:
        return str(decide(self.party.rules, {ALIAS: verdict}).value)

    @property
    def online(self) -> FaultServer:
        assert self.server is not None
        return self.server

    def play(self, *replies: Reply | Script) -> None:
        """These first, and then the service as it should be."""
        assert self.party.service
        self.online.play(*replies, self.party.service())

    def count(self) -> int:
        """How many requests one clean text makes."""
        self.play()
        self.analyze(self.party.fine)
        return len(self.online.requests)

    def answer_then(self, clean: int, reply: Reply | Script) -> None:
        """So many requests are answered as they should be, and then one by ``reply``.

        A request may be mangled: ``reply`` can be what wraps the service.
        """
        assert self.party.service
        service, seen = self.party.service(), [0]

        def script(request: Request) -> Reply:
            seen[0] += 1
            if seen[0] != clean + 1:
                return service(request)
            return reply if isinstance(reply, Reply) else reply(request)

        self.online.play(script)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Of the party that the test is parametrized with."""
    party: Party = PARTIES[request.param]
    if party.service is None:
        yield Table(party, None)
        return
    with FaultServer(black_hole()) as server:
        table = Table(party, server)
        table.play()
        yield table
        close_sessions()


every_party = pytest.mark.parametrize("table", PARTIES, indirect=True)
every_remote_party = pytest.mark.parametrize("table", REMOTE, indirect=True)
