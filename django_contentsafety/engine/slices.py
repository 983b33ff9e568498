"""Measure apart what may be told unequally well: short texts, other scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .evaluation import evaluate
from .intervals import Interval

__all__ = ["LENGTHS", "MAX_SCRIPTS", "Slice", "measure_slices", "script_of"]

#: The first length, in code points, of each slice: a remark, a few sentences, a
#: paragraph, a page.
LENGTHS = (0, 51, 201, 1001)
#: Scripts that have a slice of their own; the rarer ones share one.
MAX_SCRIPTS = 6

# What a letter's name begins with, where that isn't what people call the script.
_SCRIPTS = {"Cjk": "Han", "Hiragana": "Kana", "Katakana": "Kana"}
# Code points of a text that are looked at.
_ENOUGH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What the threshold makes of the samples of one kind.

    `name` is "201-1000" or "1001-" by length, in code points; by script it is the
    script's English name ("Latin", "Han"), "other" or, without a letter, "none".
    """

    by: Literal["length", "script"]
    name: str
    positives: int
    negatives: int
    true_positives: int
    false_positives: int
    precision: float | None
    recall: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None


def measure_slices(
    texts: Sequence[str],
    labels: Sequence[bool],
    scores: Sequence[float],
    threshold: float,
    groups: Sequence[int],
) -> tuple[Slice, ...]:
    """Measure each length and each script that occurs, the commonest script first."""
    lengths = [_length_of(text) for text in texts]
    scripts = [script_of(text) for text in texts]
    # Sorted before it is counted, so that a tie has the same winner always.
    common = Counter(sorted(scripts)).most_common()
    if len(common) > MAX_SCRIPTS:
        kept = {script for script, _ in common[: MAX_SCRIPTS - 1]}
        scripts = [script if script in kept else "other" for script in scripts]
        common = Counter(sorted(scripts)).most_common()

    def measure(by: Literal["length", "script"], name: str, of: list[str]) -> Slice:
        mine = [index for index, other in enumerate(of) if other == name]
        metrics = evaluate(
            [labels[index] for index in mine],
            [scores[index] for index in mine],
            threshold,
            [groups[index] for index in mine],
        )
        return Slice(
            by=by,
            name=name,
            positives=metrics.true_positives + metrics.false_negatives,
            negatives=metrics.true_negatives + metrics.false_positives,
            true_positives=metrics.true_positives,
            false_positives=metrics.false_positives,
            precision=metrics.precision,
            recall=metrics.recall,
            precision_interval=metrics.precision_interval,
            recall_interval=metrics.recall_interval,
        )

    ranges = [_range(number) for number in range(len(LENGTHS))]
    found = [measure("length", name, lengths) for name in ranges if name in lengths]
    return (*found, *(measure("script", name, scripts) for name, _ in common))


def script_of(text: str) -> str:
    """Return the script of most letters of `text`, "none" where it has no letter.

    By the letters' Unicode names, after compatibility forms are resolved: a fullwidth
    A is Latin. Han and kana count apart, so Japanese may be either.
    """
    found: Counter[str] = Counter()
    resolved = unicodedata.normalize("NFKC", text[:_ENOUGH])
    for char, times in sorted(Counter(resolved).items()):
        if script := _script_of_char(char):
            found[script] += times
    return found.most_common(1)[0][0] if found else "none"


@lru_cache(maxsize=8_192)
def _script_of_char(char: str) -> str:
    if not char.isalpha():
        return ""
    word = unicodedata.name(char, "").partition(" ")[0].title()
    return _SCRIPTS.get(word, word)


def _length_of(text: str) -> str:
    number = max(n for n, first in enumerate(LENGTHS) if len(text) >= first)
    return _range(number)


def _range(number: int) -> str:
    if number + 1 == len(LENGTHS):
        return f"{LENGTHS[number]}-"
    return f"{LENGTHS[number]}-{LENGTHS[number + 1] - 1}"
