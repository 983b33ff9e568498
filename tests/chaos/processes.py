"""Processes that are started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: Seconds a process may take to end when it is asked to.
PATIENCE = 10.0


@dataclass(slots=True)
class Process:
    """One of them: always in a process group of its own, and with its own log."""

    name: str
    #: The command line, given how often it was started before.
    command: Callable[[int], list[str]]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    started_at: float = 0.0
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command(self.starts),
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen else 0

    @property
    def runs(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started_at

    def children(self) -> list[int]:
        """The processes it forked, as they are now."""
        try:
            path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        except OSError:
            return []

    def kill(self) -> bool:
        """SIGKILL it with all it forked; False where it had ended already."""
        if not self.runs:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.popen:
            self.popen.wait(PATIENCE)
        return True

    def end(self) -> None:
        """Ask it to stop; kill what doesn't, and what it left behind."""
        if self.popen is None:
            return
        if self.runs:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)


def python(*arguments: str) -> Callable[[int], list[str]]:
    """A module of ours as a command; {} is how often it was started before."""
    return lambda starts: [
        sys.executable,
        "-m",
        *(argument.replace("{}", str(starts)) for argument in arguments),
    ]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every few hundredths. Raise TimeoutError where it takes longer."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Waited {seconds:.0f} s in vain: {what}.")
        time.sleep(0.03)
