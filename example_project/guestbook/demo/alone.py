"""One demo at a time: two would delete each other's messages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def alone(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock ``path``; wait, and say so, while another process has it.

    The lock ends with its process, however that ends.
    """
    if sys.platform == "win32":
        yield
        return
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another demo is at work: waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
