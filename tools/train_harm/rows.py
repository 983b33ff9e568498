"""A labeled text, and what is known of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django_contentsafety.engine.normalize import normalize

__all__ = ["CATEGORIES", "NONE", "Row", "label", "place", "without_repeats"]

#: The four harm categories and our own harassment, in the order of the weights' file.
CATEGORIES = ("Hate", "Sexual", "Violence", "SelfHarm", "Harassment")

#: Labels of a text that is known to be harmless.
NONE: Mapping[str, bool] = dict.fromkeys(CATEGORIES, False)

_NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A text with the labels that are known; a category that is missing is unknown.

    `benign` marks ordinary text of a kind that a site receives: scores and severities
    are calibrated on such rows. `weight` is how far a label counts, 0..1. Rows of one
    `group` say nearly the same.
    """

    text: str
    source: str
    labels: Mapping[str, bool]
    weight: float = 1.0
    benign: bool = False
    group: str = ""


def label(*positive: str, unknown: Iterable[str] = ()) -> dict[str, bool]:
    """Every category False but the positive ones, and without the unknown ones."""
    unclear = set(unknown)
    return {
        name: name in positive
        for name in CATEGORIES
        if name in positive or name not in unclear
    }


def place(text: str, seed: int = 0) -> int:
    """A number that depends on the text alone: an order that no machine changes."""
    digest = hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def without_repeats(rows: Iterable[Row]) -> list[Row]:
    """Each text once, the first of those with the same letters and digits.

    A text whose repeats are labeled otherwise loses the labels they disagree on.
    """
    kept: dict[str, Row] = {}
    for row in rows:
        key = _NOT_LETTERS.sub(" ", normalize(row.text).text).strip()
        if not key:
            continue
        first = kept.setdefault(key, row)
        if first is not row:
            agreed = {
                name: value
                for name, value in first.labels.items()
                if row.labels.get(name, value) == value
            }
            benign = first.benign and row.benign
            kept[key] = replace(first, labels=agreed, benign=benign)
    return list(kept.values())
