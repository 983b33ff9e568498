"""A site beside the scripted Azure and a real blob storage, whose worker is killed and
whose service is restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django_contentsafety.http import close_sessions
from django_contentsafety.testing.azure import AzureService, State
from django_contentsafety.testing.fault_server import FaultServer
from django_contentsafety.testing.trainer import Fault

from .azurite import Azurite
from .lives import categories
from .plain import KEY

#: Hours of polls, in as many words.
SCRIPT = ["running"] * 5 + ["Rebalancing", "running", "succeeded"]
#: What a worker asks of a version that is built, in either dialect.
LOOKS = ("look", "operation")
#: Seconds for a worker to come up and ask: for a busy machine.
PATIENCE = 180


class Site:
    """It knows Azure as ``remote``; ``state`` is what the service knows."""

    def __init__(self, settings: Any, azurite: Azurite, dialect: str) -> None:
        self._settings, self._azurite, self._dialect = settings, azurite, dialect
        self._server: FaultServer | None = None
        # One's own, because Azurite is everybody's.
        self.container = f"story-{uuid4().hex}"
        azurite.container(self.container)
        # Ids of processes: they are killed when they next look at a build.
        self._doomed: list[int] = []
        self.state = State()
        self.restart()

    def restart(self) -> None:
        """The service, with what it knew: at another address, as after a move."""
        self.stop()
        azure = AzureService(
            state=self.state,
            key=KEY,
            words={"coins": {"scam": 1}},
            script=SCRIPT,
            read_blob=self._azurite.read,
            chance=self._kill,
            # Nobody but ourselves keeps us from doing it twice.
            refuses=False,
        )
        self._server = FaultServer(azure).__enter__()
        self._settings.CONTENTSAFETY_PROVIDERS = {
            **self._settings.CONTENTSAFETY_PROVIDERS,
            "remote": categories(
                self._server.url,
                self._dialect,
                blob_container=self.container,
                blob_connection_string=self._azurite.connection_string,
            ),
        }

    def stop(self) -> None:
        """End the service."""
        close_sessions()
        if self._server is not None:
            self._server.close()

    def kill_a_worker(self, environment: Mapping[str, str]) -> None:
        """One looks at the build, and is killed before it hears the answer."""
        worker = subprocess.Popen(
            [sys.executable, "-m", "django", "contentsafety_sweep", "--once"],
            env={
                **environment,
                "DJANGO_SETTINGS_MODULE": "tests.azure.site",
                "TEST_PROVIDERS": json.dumps(self._settings.CONTENTSAFETY_PROVIDERS),
            },
        )
        self._doomed.append(worker.pid)
        try:
            assert worker.wait(PATIENCE) == -signal.SIGKILL
        finally:
            worker.kill()

    def _kill(self, step: str) -> Fault | None:
        if step in LOOKS and self._doomed:
            os.kill(self._doomed.pop(), signal.SIGKILL)
        return None
