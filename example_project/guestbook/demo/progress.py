"""How far a long step has come: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper

#: Back to the start of the line, and empty it (ECMA-48).
CLEAR_LINE = "\r\x1b[2K"
#: A pipe gets a line at each of these steps, in percent.
PLAIN_STEP = 25


class Progress:
    """A context manager: called with a phase and a fraction from 0 to 1."""

    def __init__(self, stdout: OutputWrapper, label: str) -> None:
        self.stdout = stdout
        self.label = label
        self.live = stdout.isatty()
        self.shown: tuple[str, int] | None = None

    def __call__(self, phase: str, fraction: float) -> None:
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        step = percent if self.live else percent // PLAIN_STEP * PLAIN_STEP
        if (phase, step) == self.shown:
            return
        self.shown = (phase, step)
        line = f"{self.label}: {phase + ' ' if phase else ''}{step} %"
        if self.live:
            self.stdout.write(CLEAR_LINE + line, ending="")
        else:
            self.stdout.write(line)
        self.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.live and self.shown:
            self.stdout.write(CLEAR_LINE, ending="")
            self.stdout.flush()
