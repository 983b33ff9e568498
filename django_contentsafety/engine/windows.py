"""Part a long text where its sentences end, so that one of them can be pointed at."""

from __future__ import annotations

import re

__all__ = ["MAX_WINDOWS", "WINDOW", "windows"]

#: Characters of a window. In the measurements behind this engine, the mean of the whole
#: text's score and the worst window's was the best of five ways to score a long text.
WINDOW = 400
#: Windows of a text, so that a page costs no more than about as many remarks: a text
#: of more has longer ones.
MAX_WINDOWS = 50

# After the signs that end a sentence, in Latin, Greek, Arabic, Indic and Han scripts,
# and at the end of a line.
_END = re.compile(r"[.!?…;؟۔।。！？]+[\"'”’)\]]*\s+|[。！？]|\n+")


def windows(text: str) -> list[tuple[int, int]]:
    """Return half-open ranges that cover `text`, whole sentences wherever they fit.

    A text that fits into one window has one; an empty one has one, empty.
    """
    size = max(WINDOW, -(-2 * len(text) // MAX_WINDOWS))
    if len(text) <= size:
        return [(0, len(text))]
    found: list[tuple[int, int]] = []
    start = end = 0
    for stop in [match.end() for match in _END.finditer(text)] + [len(text)]:
        if stop - start > size and end > start:
            found.append((start, end))
            start = end
        while stop - start > size:
            cut = _cut(text, start, size)
            found.append((start, cut))
            start = cut
        end = stop
    if end > start:
        found.append((start, end))
    return found


def _cut(text: str, start: int, size: int) -> int:
    """The last space in reach, else wherever the reach ends."""
    space = text.rfind(" ", start + size // 2, start + size)
    return start + size if space < 0 else space + 1
