"""A progress bar for a terminal; elsewhere nothing is written."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

__all__ = ["Bar"]

_WIDTH = 30
# Characters of the line, so that a shorter one leaves nothing of a longer one.
_LINE = 72


class Bar:
    """Drawn over itself, and gone when the work is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._wanted = stream.isatty()
        self._drawn = ""

    def show(self, share: float, label: str) -> None:
        """Draw a share of 0..1 of the work, and what is being done."""
        full = round(min(max(share, 0.0), 1.0) * _WIDTH)
        self._draw(f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%} {label}")

    def count(self, number: int) -> None:
        """Draw how many are done, where it isn't known how many there are."""
        if number % 50 == 0:
            self._draw(f"{number:,} texts")

    def _draw(self, line: str) -> None:
        if self._wanted and line != self._drawn:
            self._drawn = line
            self._stream.write(f"\r{line[:_LINE]:{_LINE}}")
            self._stream.flush()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawn:
            self._stream.write(f"\r{'':{_LINE}}\r")
            self._stream.flush()
