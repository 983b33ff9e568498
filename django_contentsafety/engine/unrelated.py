"""How often a category is seen in ordinary texts that have nothing to do with it.

A cross-validation is made of texts like the samples, and says nothing of all the
others that a site receives. `unrelated.jsonl` holds short everyday texts, written for
this purpose: entries of a guestbook, reviews, questions, news, recipes, thanks, and
some with harmless uses of touchy words, a fifth of them not in English.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from .intervals import Interval, wilson

__all__ = ["UnrelatedErrors", "UnrelatedText", "measure_unrelated", "unrelated_texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrelatedText:
    """A text, what kind of text it is, and its language ("" where it has none)."""

    kind: str
    language: str  # BCP 47
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrelatedErrors:
    """What a threshold makes of the unrelated texts; none of them should be flagged.

    `texts` names the set: the first 12 hex digits of its file's SHA-256. `scores` are
    in the order of the file, to 4 digits.
    """

    texts: str
    count: int
    false_positives: int
    rate: float
    rate_interval: Interval | None
    scores: tuple[float, ...]


def measure_unrelated(
    score: Callable[[Sequence[str]], list[float]], threshold: float
) -> UnrelatedErrors:
    """Score every unrelated text; one at the threshold counts as flagged."""
    name, texts = unrelated_texts()
    scores = tuple(round(value, 4) for value in score([one.text for one in texts]))
    flagged = sum(value >= threshold for value in scores)
    return UnrelatedErrors(
        texts=name,
        count=len(texts),
        false_positives=flagged,
        rate=flagged / len(texts),
        rate_interval=wilson(flagged, len(texts)),
        scores=scores,
    )


@lru_cache(maxsize=1)
def unrelated_texts() -> tuple[str, tuple[UnrelatedText, ...]]:
    """Return the set's name and its texts."""
    data = files(__package__).joinpath("unrelated.jsonl").read_bytes()
    rows = [json.loads(line) for line in data.decode().splitlines()]
    return sha256(data).hexdigest()[:12], tuple(UnrelatedText(**row) for row in rows)
