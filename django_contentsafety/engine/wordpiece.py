"""Cut words into the pieces that the embedding table has rows for.

WordPiece as BERT's uncased models do it (Devlin et al. 2019, appendix A.2; Wu et al.
2016, arXiv:1609.08144): accents and case dropped, words parted at signs and at Han
characters, then the longest piece that the vocabulary knows, again and again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["UNKNOWN", "WordPiece"]

#: The piece that stands for a word which no pieces make up.
UNKNOWN = "[UNK]"

# A longer word is unknown, as it is for the model that the table was distilled from.
_MAX_WORD = 100
_ASCII = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
# Control, format and private characters, and lone surrogates; an unassigned character
# may be a letter of a later Unicode.
_DROPPED = frozenset(("Cc", "Cf", "Co", "Cs"))
_HAN = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """A vocabulary of pieces, applied; ``##`` marks one that continues a word."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._unknown = vocabulary[UNKNOWN]

    def ids(self, text: str) -> list[int]:
        """Return the numbers of the text's pieces, for any str."""
        found: list[int] = []
        for word in split(text):
            found += self._pieces(word)
        return found

    def number(self, word: str) -> int | None:
        """The number of a folded word that is a piece by itself, else None."""
        return self._vocabulary.get(word)

    def _pieces(self, word: str) -> list[int]:
        known = self._vocabulary.get(word)
        if known is not None:
            return [known]
        if len(word) > _MAX_WORD:
            return [self._unknown]
        pieces = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._vocabulary.get(mark + word[start:end])
                if piece is not None:
                    break
            else:
                return [self._unknown]
            pieces.append(piece)
            start = end
        return pieces


def split(text: str) -> list[str]:
    """Return the words and signs that are looked up, folded as the model saw them."""
    if text.isascii():
        lowered = text.lower()
        if lowered.isprintable():
            return _ASCII.findall(lowered)
    words: list[str] = []
    word: list[str] = []
    for char in text:
        folded = _fold(char)
        if len(folded) == 1 and folded.isalnum() and not _is_han(folded):
            word.append(folded)
            continue
        for one in folded:
            if one == " " or _stands_alone(one):
                if word:
                    words.append("".join(word))
                    word = []
                if one != " ":
                    words.append(one)
            else:
                word.append(one)
    if word:
        words.append("".join(word))
    return words


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    """The character without accents and case; a space for any white one."""
    if char in "\t\n\r" or unicodedata.category(char) == "Zs" or char.isspace():
        return " "
    if char == "\ufffd" or unicodedata.category(char) in _DROPPED:
        return ""
    kept = [
        one
        for one in unicodedata.normalize("NFD", char)
        if unicodedata.category(one) != "Mn"
    ]
    # One at a time: the whole word's lower() has a sigma of its own at the end.
    return "".join(one.lower() for one in kept)


def _is_han(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _HAN)


@lru_cache(maxsize=4096)
def _stands_alone(char: str) -> bool:
    if char.isascii():
        return not char.isalnum()
    return unicodedata.category(char)[0] == "P" or _is_han(char)
