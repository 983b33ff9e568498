"""The commonest words of English and of other languages in Latin letters.

`common_words.txt` has a line a language. It was written for this package, from what any
grammar says: pronouns, prepositions, forms of "be" and "have", question words, and what
people say all day. Its line "ambiguous" has words that say nothing, since English texts
or chats have them as well.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

__all__ = ["CommonWords", "bare", "load_common_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonWords:
    """Lowercase words, without apostrophes.

    `shared` are those English ones that another language has as well; `other` those
    that only others have, with and without their accents, which are often left out
    where people type.
    """

    english: frozenset[str]
    shared: frozenset[str]
    ambiguous: frozenset[str]
    other: frozenset[str]


@lru_cache(maxsize=1)
def load_common_words() -> CommonWords:
    """Return the words; the first call of a process reads them, in some 5 ms."""
    data = files(__package__).joinpath("common_words.txt").read_text(encoding="utf-8")
    parted = (line.partition(":") for line in data.splitlines())
    words = {name: frozenset(listed.split()) for name, _, listed in parted}
    english = words.pop("English")
    ambiguous = words.pop("ambiguous")
    other = frozenset().union(*words.values())
    shared = english & other
    other |= {bare(word) for word in other}
    return CommonWords(
        english=english,
        shared=shared,
        ambiguous=ambiguous,
        other=other - english - ambiguous,
    )


def bare(word: str) -> str:
    """Return the word as it is typed without accents."""
    apart = unicodedata.normalize("NFD", word)
    return "".join(char for char in apart if not unicodedata.combining(char))
