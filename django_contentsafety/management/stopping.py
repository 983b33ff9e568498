"""A loop that ends when it is told to: SIGTERM from a supervisor, Ctrl-C by hand."""

from __future__ import annotations

import select
import signal
import socket
from argparse import ArgumentTypeError
from math import isnan
from types import FrameType, TracebackType
from typing import Any


def seconds(value: str) -> float:
    """A duration from a command line: not below zero, and a number."""
    try:
        duration = float(value)
    except ValueError:
        duration = -1
    if isnan(duration) or duration < 0:
        raise ArgumentTypeError(f"{value} is no number of seconds from 0 up.")
    return duration


class Stop:
    """While entered, the first signal asks to stop; a second one is the default's.

    The handler only sets a flag and wakes the one who waits: what is being worked on
    is finished.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stop:
        # A lock could be held by the very thread that the handler interrupts.
        self._waiting, self._waking = socket.socketpair()
        for number in self.SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()
        self._waiting.close()
        self._waking.close()

    def wait(self, seconds: float) -> bool:
        """Wait until asked to stop, at most ``seconds``; True where asked."""
        if not self.requested:
            select.select([self._waiting], [], [], max(seconds, 0))
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()
        self._waking.send(b"!")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
