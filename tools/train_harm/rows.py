"""A labeled text, and what is known of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
    are calibrated on such rows. `weight` is how far a label counts, 0..1.
    """

    text: str
    source: str
    labels: Mapping[str, bool]
    weight: float = 1.0
    benign: bool = False
    key: str = field(default="", compare=False)


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
        first = kept.get(key)
        if first is None:
            kept[key] = Row(
                row.text, row.source, dict(row.labels), row.weight, row.benign, key
            )
            continue
        agreed = {
            name: value
            for name, value in first.labels.items()
            if row.labels.get(name, value) == value
        }
        kept[key] = Row(
            first.text,
            first.source,
            agreed,
            first.weight,
            first.benign and row.benign,
            key,
        )
    return list(kept.values())
