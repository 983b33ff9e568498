"""A text that is too long for one request goes out in parts that overlap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: A boundary is looked for in the last quarter of a part.
REACH = 4

#: Natural boundaries, best first. A part ends after what they match, so that no
#: character is between two parts.
_BOUNDARIES = (
    # A blank line, as between paragraphs and between the fields of a document.
    re.compile(r"\n[^\S\n]*\n\s*"),
    # A line, and a sentence, also in scripts that put no space after it.
    re.compile(r"\n\s*|[.!?…][\"'”’)\]]*\s+|[。！？।؟]+\s*"),
    re.compile(r"\s+"),
)
_WORD_BEGINS = re.compile(r"(?<=\s)\S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How to cut, in code points.

    ``overlap`` is what two neighbors always share: no shorter phrase is torn. More is
    shared, up to ``most``, and cuts are moved to natural boundaries, only where that
    costs no further part: how many there are depends on the length alone.
    """

    limit: int
    overlap: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.overlap < self.limit:
            raise ValueError("The overlap must be shorter than half a part.")

    def count(self, length: int) -> int:
        """How many parts a text of this length makes; at least one."""
        rest = max(length - self.limit, 0)
        return 1 + -(-rest // (self.limit - self.overlap))

    def parts(self, text: str) -> list[tuple[int, int]]:
        """Half-open ranges that cover ``text``, in order, each within ``limit``."""
        return list(self._parts(text))

    def _parts(self, text: str) -> Iterator[tuple[int, int]]:
        step = self.limit - self.overlap
        start = 0
        for cuts in range(self.count(len(text)) - 1, 0, -1):
            latest = start + self.limit
            # What is left over once the parts to come are as full as they can be; each
            # cut may use its share of it.
            spare = latest + cuts * step - len(text)
            share = min(spare // cuts, self.limit // REACH)
            end = _last_boundary(text, latest - share, latest)
            yield start, end
            share -= latest - end
            more = min(share, max(self.most - self.overlap, 0))
            start = _first_word(text, end - self.overlap - more, end - self.overlap)
        yield start, len(text)


def _last_boundary(text: str, low: int, high: int) -> int:
    """The end of the last of the best boundaries in ``(low, high]``; else ``high``."""
    for kind in _BOUNDARIES:
        ends = [found.end() for found in kind.finditer(text, low, high)]
        if ends:
            return ends[-1]
    return high


def _first_word(text: str, low: int, high: int) -> int:
    """Where the first word in ``[low, high]`` begins; else ``low``."""
    found = _WORD_BEGINS.search(text, low, high + 1)
    return found.start() if found else low
