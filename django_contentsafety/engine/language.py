"""Whether a text is in the language that the built-in categories know: English.

By its script, and for Latin letters by its words: those that are common in English, in
other languages (`common_words`), known to the embedding table, which was made of
English, or to nobody. It tells English from the rest, not the rest from each other; of
a word or two it often cannot tell, and then says that the language is supported.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .common_words import bare, load_common_words
from .embeddings import load_embeddings
from .repeats import fold
from .slices import script_of

__all__ = ["is_supported"]

# Addresses, names of accounts and the like are in no language.
_NO_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#&]\w+|\[\w+\]")
_WORD = re.compile(r"[^\W\d_]+")
# Characters of a text that are looked at.
_ENOUGH = 2_000

# What a word of each kind says for English: the logarithm of how much commoner the kind
# is among the words of English texts (short messages, tweets, posts, comments and
# questions of the data that NOTICE names) than in sentences of 48 other languages,
# rounded, and none counted above 4.
_ENGLISH, _SHARED, _OTHER, _ACCENT, _BORROWED, _UNKNOWN = (
    4.0,
    1.5,
    -4.0,
    -3.0,
    -1.0,
    -2.0,
)
# Known words by their place in the table, where the commonest come first.
_KNOWN = ((6_000, 2.5), (12_000, 2.0), (1 << 20, 1.0))
# Shorter ones are initials and the like.
_LEAST_LETTERS = 3
#: What all words have to say against English before a text is called foreign; of one or
#: two words, which may be names, each has to be more than unknown.
AGAINST, AGAINST_FEW = 5.0, 6.5
_FEW = 2


def is_supported(text: str) -> bool:
    """Whether the text seems to be English, or is too short or bare to tell.

    Raise MissingDependency without numpy.
    """
    some = text[:_ENOUGH]
    # Of ASCII letters there is one script; the usual text is told the short way.
    script = "Latin" if some.isascii() else script_of(some)
    if script == "none" or (script == "Latin" and _is_possible(some)):
        return True
    # English whose letters are disguised, or drawn out. Letters of another script have
    # to make English words, since some of them look like Latin ones in any word.
    folded = fold(some).text
    if script != "Latin":
        return _evidence(_words(folded)) > 0
    return _is_possible(folded)


def _is_possible(text: str) -> bool:
    words = _words(text)
    return _evidence(words) > -(AGAINST_FEW if len(words) <= _FEW else AGAINST)


def _words(text: str) -> list[str]:
    return _WORD.findall(_NO_WORDS.sub(" ", text).lower())


def _evidence(words: list[str]) -> float:
    return sum(map(_of_word, words))


# Words recur: some 1 MB when full.
@lru_cache(maxsize=8_192)
def _of_word(word: str) -> float:
    known = load_embeddings().wordpiece.number
    common = load_common_words()
    if word in common.english:
        return _SHARED if word in common.shared else _ENGLISH
    # A letter alone is an initial more often than another language's "and".
    if word in common.ambiguous or (len(word) == 1 and word.isascii()):
        return 0.0
    if word in common.other:
        return _OTHER
    if not word.isascii():
        # "Naïve" and "José" stand in the table without it.
        return _ACCENT if known(bare(word)) is None else _BORROWED
    if len(word) < _LEAST_LETTERS:
        return 0.0
    number = known(word)
    if number is None:
        return _UNKNOWN
    return next(value for below, value in _KNOWN if number < below)
