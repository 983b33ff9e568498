"""Fold the spellings that hide a word into one, and remember where each came from."""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

__all__ = ["NO_SPACES", "Normalized", "normalize"]

#: Character class of the scripts that write words without spaces between them:
#: Thai to Myanmar, Khmer, kana, Han. Repeats mean something there, and a word has
#: no visible border.
NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)

# Canonical reordering is quadratic in the length of a run of marks, so a flood of
# them is cut. No orthography stacks as many (UAX 15 allows 30 for stream-safe text).
_MAX_CLUSTER = 32

# Unseen, but not in Unicode's category Cf: joiner, fillers, variation selectors and
# the leftovers of accents that compose with nothing ("zalgo").
_UNSEEN = re.compile(
    "[\u0300-\u036f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f"
    "\uffa0\uffff\U000e0100-\U000e01ef]"
)

_LEET = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "@": "a",
    "$": "s",
    "!": "i",
}
# A run of letters, digits and signs with one in it that may stand for a letter. It is
# tried where a run begins and nowhere else, so the time is linear.
_LEET_RUN = re.compile(r"(?<![^\W_])(?<![@$!])[^\W\d_]*[\d@$!](?:[^\W_]+|[@$!]+)*")

# Three or more single letters, each parted from the next by one and the same kind
# of sign; two would join "a b" and initials.
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*][^\W\d_]){2,}(?![^\W_])")

_REPEATED = re.compile(rf"([^\W\d_{NO_SPACES}])\1{{2,}}")

_PLAIN = re.compile(r"[\t\n\r -~]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalized:
    """A folded text in which every character knows its place in the original.

    `offsets[i]` and `ends[i]` are the half-open range of code points of the original
    that character `i` stands for; offsets never decrease. `squeezed` holds the
    positions of the second letter of each pair that stands for three letters or
    more, so that a reader may take it for one letter or for two.
    """

    text: str
    offsets: array[int]
    ends: array[int]
    squeezed: frozenset[int] = frozenset()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a half-open range of `text` to one of the original, in code points.

        An empty range maps to an empty one. Raise IndexError for a range that is
        reversed or leaves the text.
        """
        if not 0 <= start <= end <= len(self.text):
            raise IndexError(f"No range {start}:{end} in {len(self.text)} characters.")
        if start == end:
            if start < len(self.offsets):
                place = self.offsets[start]
            else:
                place = self.ends[-1] if self.ends else 0
            return place, place
        return self.offsets[start], self.ends[end - 1]

    def without(self, places: Sequence[int]) -> Normalized:
        """Return the text with one letter for each of these squeezed pairs.

        `places` rise and are of `squeezed`. The letter that is left stands for all of
        its run, and no pair is left to be settled.
        """
        ends = self.ends[:]
        kept: list[range] = []
        done = 0
        for place in places:
            ends[place - 1] = ends[place]
            kept.append(range(done, place))
            done = place + 1
        kept.append(range(done, len(self.text)))
        text, offsets, ends = _take(kept, self.text, self.offsets, ends)
        return Normalized(text=text, offsets=offsets, ends=ends)


def normalize(text: str) -> Normalized:
    """Fold `text` to the form that terms are matched in and features are made of.

    In this order: NFKC and casefolding; zero-width, bidirectional and other unseen
    characters dropped; look-alikes of Latin letters replaced, Unicode's confusables
    and small capitals, those of scripts in wide use beside a Latin letter only; single
    letters spaced or dotted apart joined (three at least: "f.u.n"); digits and signs
    that stand for letters replaced inside words; three or more of a letter squeezed to
    two. Any str is accepted, lone surrogates and NUL included, and the time is linear
    in its length.
    """
    if _PLAIN.match(text):
        folded = text.lower()
        offsets = array("l", range(len(text)))
        ends = array("l", range(1, len(text) + 1))
    else:
        folded, offsets, ends = _fold_all(text)
        folded = _unmix(folded)
    if _SPACED.search(folded):
        folded, offsets, ends = _join_spaced(folded, offsets, ends)
    folded = _LEET_RUN.sub(_unleet, folded)
    return _squeeze(folded, offsets, ends)


def _fold_all(text: str) -> tuple[str, array[int], array[int]]:
    pieces: list[str] = []
    offsets = array("l")
    ends = array("l")
    start, length = 0, len(text)
    while start < length:
        end = start + 1
        # Folding one character at a time would miss what composes with its marks.
        while end < length and end - start < _MAX_CLUSTER and _extends(text[end]):
            end += 1
        folded = _fold(text[start:end])
        if folded:
            pieces.append(folded)
            offsets.extend([start] * len(folded))
            ends.extend([end] * len(folded))
        start = end
    return "".join(pieces), offsets, ends


def _extends(char: str) -> bool:
    if char < "\u0300":
        return False
    # Beside marks: the vowels and finals of Hangul, half-width kana's voicing.
    return (
        "\u1160" <= char <= "\u11ff"
        or char in "\uff9e\uff9f"
        or unicodedata.category(char)[0] == "M"
    )


@lru_cache(maxsize=4096)
def _fold(cluster: str) -> str:
    folded = unicodedata.normalize("NFKC", cluster).casefold()
    folded = _UNSEEN.sub("", unicodedata.normalize("NFKC", folded))
    alike = _confusables()[0]
    return "".join(alike.get(char, char) for char in folded if not _is_unseen(char))


def _unmix(folded: str) -> str:
    """Read look-alikes as Latin in a run with Latin letters: a letter for a letter."""
    _, alike, runs = _confusables()
    if alike.keys().isdisjoint(folded):
        return folded

    def read(match: re.Match[str]) -> str:
        run = match[0]
        if not any("a" <= char <= "z" for char in run):
            return run
        return "".join(alike.get(char, char) for char in run)

    return runs.sub(read, folded)


@lru_cache(maxsize=1)
def _confusables() -> tuple[dict[str, str], dict[str, str], re.Pattern[str]]:
    """Look-alikes anywhere, those beside Latin letters, and the runs of both.

    Of small letters: they are looked up once case is folded. `tools/confusables` makes
    the file.
    """
    data = files(__package__).joinpath("confusables.json").read_bytes()
    table = json.loads(data)
    anywhere, beside = (
        dict(zip(group["chars"], group["letters"], strict=True))
        for group in (table["anywhere"], table["beside_latin"])
    )
    chars = "".join(map(re.escape, beside))
    return anywhere, beside, re.compile(f"[a-z{chars}]+")


def _is_unseen(char: str) -> bool:
    category = unicodedata.category(char)
    return category == "Cf" or (category == "Cc" and not char.isspace())


def _join_spaced(
    text: str, offsets: array[int], ends: array[int]
) -> tuple[str, array[int], array[int]]:
    kept: list[range] = []
    done = 0
    for match in _SPACED.finditer(text):
        kept.append(range(done, match.start()))
        kept.append(range(match.start(), match.end(), 2))
        done = match.end()
    kept.append(range(done, len(text)))
    return _take(kept, text, offsets, ends)


def _take(
    kept: Iterable[range], text: str, offsets: array[int], ends: array[int]
) -> tuple[str, array[int], array[int]]:
    pieces: list[str] = []
    new_offsets = array("l")
    new_ends = array("l")
    for part in kept:
        cut = slice(part.start, part.stop, part.step)
        pieces.append(text[cut])
        new_offsets.extend(offsets[cut])
        new_ends.extend(ends[cut])
    return "".join(pieces), new_offsets, new_ends


def _unleet(match: re.Match[str]) -> str:
    run = match[0]
    if run.isalpha() or not any("a" <= char <= "z" for char in run):
        return run
    # A handle's "@" and a closing "!" are no letters, nor is the "$" of a price.
    body = run.lstrip("@!")
    head = run[: len(run) - len(body)]
    if body[:1] == "$" and not body.lstrip("$")[:1].isalpha():
        body = body.lstrip("$")
        head = run[: len(run) - len(body)]
    core = body.rstrip("@!")
    tail = body[len(core) :]
    # "1990s" or "covid19": with a digit that stands for no letter it is a number.
    if any(char.isdigit() and char not in _LEET for char in core):
        return run
    return head + "".join(_LEET.get(char, char) for char in core) + tail


def _squeeze(text: str, offsets: array[int], ends: array[int]) -> Normalized:
    kept: list[range] = []
    squeezed: list[int] = []
    done = removed = 0
    for match in _REPEATED.finditer(text):
        second = match.start() + 1
        kept.append(range(done, second + 1))
        # The pair stands for the whole run: its second letter ends where that does.
        ends[second] = ends[match.end() - 1]
        squeezed.append(second - removed)
        removed += match.end() - second - 1
        done = match.end()
    if squeezed:
        kept.append(range(done, len(text)))
        text, offsets, ends = _take(kept, text, offsets, ends)
    return Normalized(
        text=text, offsets=offsets, ends=ends, squeezed=frozenset(squeezed)
    )
