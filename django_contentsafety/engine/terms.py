"""Literal terms, found in whatever spelling the normalizer can undo."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .normalize import NO_SPACES, normalize

__all__ = ["TermHit", "TermMatcher"]

# Stands for "one or more of the letter before"; the normalizer drops it from texts.
_MORE = "\uffff"

# A word, else one character. Scripts without spaces yield a character at a time, so
# that a term matches anywhere in them.
_TOKEN = re.compile(rf"[^\W_{NO_SPACES}]+|\s+|.", re.DOTALL)
_ALONE = re.compile(rf"[{NO_SPACES}]")
_RUN = re.compile(r"(.)\1+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermHit:
    """One match: the term as it was given, and where it stands in the original text.

    `start` and `end` are a half-open range in code points.
    """

    term: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    spaced: bool  # whitespace stands before it


class TermMatcher:
    """Find whole-word occurrences of literal terms; never a pattern of a user.

    Case, look-alikes, leetspeak and spaced letters are seen through as `normalize`
    describes. A term of several words matches across any whitespace, and one letter
    or two of a term match three or more in the text. Terms of which the normalizer
    leaves nothing never match. Finding takes time linear in the text, whatever the
    number of terms, as long as few of them begin with the same word.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self._by_key: dict[str, list[tuple[str, list[_Token]]]] = {}
        for term in dict.fromkeys(terms):
            tokens = list(_tokens(*_marked(term)))
            if tokens:
                key = _key(tokens[0].text)
                self._by_key.setdefault(key, []).append((term, tokens))

    def find(self, text: str) -> list[TermHit]:
        """Return every hit, by place and then by length; hits may overlap."""
        if not self._by_key:
            return []
        normalized = normalize(text)
        tokens = list(_tokens(normalized.text, normalized.squeezed))
        hits = []
        for index, token in enumerate(tokens):
            for term, wanted in self._by_key.get(_key(token.text), ()):
                found = tokens[index : index + len(wanted)]
                if _same(wanted, found):
                    start, end = normalized.span(found[0].start, found[-1].end)
                    hits.append(TermHit(term=term, start=start, end=end))
        return sorted(hits, key=lambda hit: (hit.start, hit.end, hit.term))


def _marked(term: str) -> tuple[str, frozenset[int]]:
    normalized = normalize(term)
    return normalized.text, normalized.squeezed


def _tokens(text: str, squeezed: frozenset[int]) -> Iterator[_Token]:
    if squeezed:
        chars = list(text)
        for position in squeezed:
            chars[position] = _MORE
        text = "".join(chars)
    spaced = False
    word: list[re.Match[str]] = []
    for match in _TOKEN.finditer(text):
        # re counts no marks among letters, which would part a Hindi word at its
        # vowels; the mark of a squeezed run belongs to its word as well.
        if word and _continues(word[-1][0], match[0]):
            word.append(match)
            continue
        if word:
            yield _token(word, spaced)
            spaced = False
        word = []
        if match[0].isspace():
            spaced = True
        else:
            word = [match]
    if word:
        yield _token(word, spaced)


def _token(word: list[re.Match[str]], spaced: bool) -> _Token:
    text = "".join(match[0] for match in word)
    return _Token(text, word[0].start(), word[-1].end(), spaced)


def _continues(left: str, right: str) -> bool:
    if _ALONE.match(left) or _ALONE.match(right):
        return False
    return _is_word(left) and _is_word(right)


def _is_word(token: str) -> bool:
    first = token[0]
    return first == _MORE or first.isalnum() or unicodedata.category(first)[0] == "M"


def _key(token: str) -> str:
    """Give all spellings that `_same` accepts one key."""
    return _RUN.sub(r"\1", token.replace(_MORE, ""))


def _same(wanted: list[_Token], found: list[_Token]) -> bool:
    if len(wanted) != len(found):
        return False
    return all(
        (index == 0 or left.spaced == right.spaced)
        and (left.text == right.text or _same_letters(left.text, right.text))
        for index, (left, right) in enumerate(zip(wanted, found, strict=True))
    )


def _same_letters(wanted: str, found: str) -> bool:
    left, right = list(_runs(wanted)), list(_runs(found))
    return len(left) == len(right) and all(
        a.letter == b.letter and (b.more or (a.count == b.count and not a.more))
        for a, b in zip(left, right, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Run:
    letter: str
    count: int
    more: bool  # three or more in the original


def _runs(token: str) -> Iterator[_Run]:
    at = 0
    while at < len(token):
        end = at + 1
        while end < len(token) and token[end] in (token[at], _MORE):
            end += 1
        yield _Run(token[at], end - at, token[end - 1] == _MORE)
        at = end
