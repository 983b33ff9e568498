"""Severities by words, the same each time: what stands in for Azure's models."""

from __future__ import annotations

from collections.abc import Mapping

#: Word → category → severity, 0 to 7. A word counts anywhere in a text, in any case.
Words = Mapping[str, Mapping[str, int]]

HARM = ("Hate", "SelfHarm", "Sexual", "Violence")


def severity(words: Words, category: str, text: str) -> int:
    """The highest of the words that ``text`` has; 0 = none of them."""
    folded = text.casefold()
    return max(
        (found.get(category, 0) for word, found in words.items() if word in folded),
        default=0,
    )


def trimmed(value: int) -> int:
    """Four levels of eight (concepts/harm-categories): each odd one is rounded down."""
    return value - value % 2
