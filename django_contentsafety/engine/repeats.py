"""Read a letter that is repeated, "kiiill", as the one or the two that are meant."""

from __future__ import annotations

import re
from itertools import product

from .embeddings import load_embeddings
from .normalize import Normalized, normalize

__all__ = ["fold", "settle"]

_WORD = re.compile(r"[^\W_]+")
# A word of more runs has a letter for each: readings double with every run.
_MAX_RUNS = 4


def fold(text: str) -> Normalized:
    """Return the text as features are made of it: normalized, its repeats settled.

    Raise MissingDependency without numpy where the text has repeats.
    """
    return settle(normalize(text))


def settle(normalized: Normalized) -> Normalized:
    """Return the text with each squeezed pair settled: one letter, or two.

    Of a word's readings, the commonest counts that the embedding table has a row for,
    whose pieces stand in the order of how common they are: "goood" is good and "sooo"
    is so. Where there is none, it is one letter each.
    """
    if not normalized.squeezed:
        return normalized
    dropped: list[int] = []
    for match in _WORD.finditer(normalized.text):
        places = [
            place for place in range(*match.span()) if place in normalized.squeezed
        ]
        if places:
            dropped += _settle(match[0], match.start(), places)
    return normalized.without(dropped)


def _settle(word: str, start: int, places: list[int]) -> list[int]:
    """Which of the places of a word are dropped."""
    if len(places) > _MAX_RUNS:
        return places
    number = load_embeddings().wordpiece.number
    best, found = None, places
    for choice in product((False, True), repeat=len(places)):
        dropped = [place for place, drop in zip(places, choice, strict=True) if drop]
        gone = {place - start for place in dropped}
        known = number("".join(c for at, c in enumerate(word) if at not in gone))
        if known is not None and (best is None or known < best):
            best, found = known, dropped
    return found
