"""Which rows are trained on, and which of them are held out together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .rows import CATEGORIES, Row, place

__all__ = ["BENIGN_SOURCES", "ROWS", "first", "part", "select"]

#: Rows of a source that teach one thing or its opposite: more made the heads worse.
#: Rows of the rare categories are always taken.
LIMITS = {
    "civil": 4000,
    "edos": 4000,
    "davidson": 3000,
    "templates": 1500,
    "clinc": 2000,
    "banking": 1500,
    "sms": 2500,
}
RARE = ("Sexual", "Violence", "SelfHarm")

#: Ordinary text as sites receive it: severities are set by how often it is flagged.
#: The posts of EDOS are not, for they come from places that were chosen for their tone.
BENIGN_SOURCES = ("civil", "davidson", "surge", "sms", "clinc", "banking")

#: What is held out together: sources that resemble each other.
_PARTS = {
    "toxigen": "davidson",
    "catqa": "ailuminate",
    "surge": "sms",
    "banking": "clinc",
}
#: The texts of our own are held out by frame, half at a time.
OWN_PARTS = 2
#: Nothing is measured on these, so they are always trained on.
_NEVER = ("lexicon", "templates")


def select(rows: Sequence[Row]) -> list[Row]:
    """Half of each source's limit from its harmful rows, half from the others."""
    taken: Counter[tuple[str, bool]] = Counter()
    kept = []
    for row in rows:
        harmful = any(row.labels.get(name) for name in CATEGORIES)
        taken[row.source, harmful] += 1
        limit = LIMITS.get(row.source)
        rare = any(row.labels.get(name) for name in RARE)
        if limit is None or rare or taken[row.source, harmful] <= limit // 2:
            kept.append(row)
    return kept


#: Rows that a tier's heads are trained on, where not on all: the encoder takes 10 to 20
#: ms of a row.
ROWS = {"minilm": 18_000}


def first(rows: Sequence[Row], number: int | None) -> list[Row]:
    """All texts of our own, and of the others as many as make the number up."""
    own = sum(row.source.startswith("own:") for row in rows)
    left = len(rows) if number is None else number - own
    kept = []
    for row in rows:
        left -= not row.source.startswith("own:")
        if left >= 0 or row.source.startswith("own:"):
            kept.append(row)
    return kept


def part(row: Row) -> str:
    """The name of what is held out with this row, or "" for rows that never are."""
    if row.source.startswith("own:"):
        return f"own {place(row.group) % OWN_PARTS}"
    return "" if row.source in _NEVER else _PARTS.get(row.source, row.source)
