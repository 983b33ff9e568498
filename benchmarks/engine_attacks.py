"""Ways to hide a word. Six are those the issue counts; the others were held out: the
normalizer was written without them in view."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

__all__ = ["ATTACKS", "HELD_OUT", "attacked"]

_WORD = re.compile(r"[A-Za-z]{3,}")
_CYRILLIC = dict(zip("aceopxyiABEKMHOPCTX", "асеорхуіАВЕКМНОРСТХ", strict=True))
_LEET = dict(zip("aeiost", "4310$7", strict=True))
_GREEK = dict(zip("aeioptuvxy", "αеιορτυνχγ", strict=True))
_MARKS = "\u0300\u0301\u0316\u0323"

Attack = Callable[[str, random.Random], str]


def _letters(
    text: str, share: float, chance: random.Random, table: dict[str, str]
) -> str:
    return "".join(
        table[char] if char in table and chance.random() < share else char
        for char in text
    )


def _words(
    text: str, share: float, chance: random.Random, change: Callable[[str], str]
) -> str:
    return _WORD.sub(
        lambda word: change(word[0]) if chance.random() < share else word[0], text
    )


def zero_width(text: str, chance: random.Random) -> str:
    return "".join(c + "\u200b" if chance.random() < 0.5 else c for c in text)


def homoglyphs(text: str, chance: random.Random) -> str:
    return _letters(text, 0.6, chance, _CYRILLIC)


def leet(text: str, chance: random.Random) -> str:
    return _letters(text, 0.6, chance, _LEET)


def spaced(text: str, chance: random.Random) -> str:
    return _words(text, 0.5, chance, " ".join)


def tripled(text: str, chance: random.Random) -> str:
    return re.sub("[aeiouAEIOU]", lambda vowel: vowel[0] * 3, text)


def typos(text: str, chance: random.Random) -> str:
    def swap(word: str) -> str:
        if len(word) < 5:
            return word
        place = chance.randrange(1, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return _words(text, 0.4, chance, swap)


def full_width(text: str, chance: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mathematical(text: str, chance: random.Random) -> str:
    def bold(char: str) -> str:
        if not ("a" <= char <= "z" or "A" <= char <= "Z"):
            return char
        base = 0x1D41A if char.islower() else 0x1D400
        return chr(base + ord(char.lower()) - ord("a"))

    return "".join(map(bold, text))


def marks(text: str, chance: random.Random) -> str:
    return "".join(c + chance.choice(_MARKS) if c.isalpha() else c for c in text)


def soft_hyphens(text: str, chance: random.Random) -> str:
    return _words(text, 0.7, chance, "\u00ad".join)


def dotted(text: str, chance: random.Random) -> str:
    return _words(text, 0.5, chance, ".".join)


def hyphenated(text: str, chance: random.Random) -> str:
    def split(word: str) -> str:
        place = chance.randrange(1, len(word))
        return f"{word[:place]}-{word[place:]}"

    return _words(text, 0.5, chance, split)


def mixed_case(text: str, chance: random.Random) -> str:
    return "".join(c.upper() if chance.random() < 0.5 else c.lower() for c in text)


def greek(text: str, chance: random.Random) -> str:
    return _letters(text, 0.6, chance, _GREEK)


def starred(text: str, chance: random.Random) -> str:
    def hide(word: str) -> str:
        place = chance.randrange(1, len(word) - 1)
        return f"{word[:place]}*{word[place + 1 :]}"

    return _words(text, 0.4, chance, hide)


def joined(text: str, chance: random.Random) -> str:
    return re.sub(" ", lambda _: "" if chance.random() < 0.3 else " ", text)


ATTACKS: tuple[Attack, ...] = (zero_width, homoglyphs, leet, spaced, tripled, typos)
HELD_OUT: tuple[Attack, ...] = (
    full_width,
    mathematical,
    marks,
    soft_hyphens,
    dotted,
    hyphenated,
    mixed_case,
    greek,
    starred,
    joined,
)


def attacked(attack: Attack, texts: list[str]) -> list[str]:
    """Every text, hidden in this way; the same each time."""
    return [attack(text, random.Random(number)) for number, text in enumerate(texts)]
