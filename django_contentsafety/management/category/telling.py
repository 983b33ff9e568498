"""What a command says: lines for people, one JSON document for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.core.management.base import OutputWrapper

#: Characters of a progress bar.
WIDTH = 24

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Voice:
    """Lines and a progress bar; with ``as_json`` only the report at the end."""

    out: OutputWrapper
    err: OutputWrapper
    as_json: bool

    def say(self, words: str) -> None:
        if not self.as_json:
            self.out.write(plain(words))

    def report(self, report: Report) -> None:
        if self.as_json:
            self.out.write(json.dumps(report, indent=1, default=str))

    def progress(self, phase: str, fraction: float) -> None:
        """Redraw the bar; nothing where nobody watches."""
        if not self.err.isatty():
            return
        share = min(max(fraction, 0.0), 1.0)
        filled = round(share * WIDTH)
        bar = "█" * filled + "░" * (WIDTH - filled)
        # Over what stands there: \x1b[K clears what a longer phase left.
        self.err.write(f"\r{plain(phase)[:40]} {bar} {share:4.0%}\x1b[K", ending="")

    def end_progress(self) -> None:
        if self.err.isatty():
            self.err.write("\r\x1b[K", ending="")


def plain(words: str) -> str:
    """``words`` as a terminal may get them: no control sequence, no bidi trick."""
    return "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}"
        for c in words
    )


def bar(value: float) -> str:
    """A proportion as a row of blocks."""
    filled = round(min(max(value, 0.0), 1.0) * WIDTH)
    return "█" * filled + "░" * (WIDTH - filled)
