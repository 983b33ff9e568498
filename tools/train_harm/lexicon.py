"""Word lists: examples of their own, and a hint where a data set says nothing.

No list is shipped. A term is a weak example of its category, and a text that names
several sexual terms is a weak example of Sexual, which no data set here labels.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from .rows import Row, label

__all__ = ["Lexicon"]

_CATEGORY = {
    "racial / ethnic slurs": "Hate",
    "sexual orientation / gender": "Hate",
    "religious offense": "Hate",
    "sexual anatomy / sexual acts": "Sexual",
    "other / general insult": "Harassment",
    "mental disability": "Harassment",
    "physical attributes": "Harassment",
    "physical disability": "Harassment",
}
#: A term this frequent in readers' comments on the news is an oath: it names no act.
_OATH = 12
_WORD = re.compile(r"[^\W_]+")
_LONGEST = 3


class Lexicon:
    """Terms with a category, without those that `comments` use as oaths."""

    def __init__(self, folder: Path, comments: Iterable[str]) -> None:
        self.terms: dict[str, tuple[str, float]] = {}
        with (folder / "surge_profanity_en.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            for row in csv.DictReader(file):
                category = _CATEGORY.get(row["category_1"])
                if category:
                    severity = float(row["severity_rating"] or 1)
                    self.terms[_joined(row["text"])] = (category, severity)
        listed = (folder / "ldnoobw_en.txt").read_text(encoding="utf-8").splitlines()
        for term in listed:
            self.terms.setdefault(_joined(term), ("Sexual", 2.0))
        self.terms.pop("", None)
        # Only whole words of letters can be found again in a text.
        counts = Counter(
            term for text in comments for term in self._found(text, set(self.terms))
        )
        self.oaths = {term for term, count in counts.items() if count >= _OATH}
        self.sexual = {
            term
            for term, (category, _) in self.terms.items()
            if category == "Sexual" and term not in self.oaths and len(term) > 2
        }
        self.attacks = {
            term
            for term, (category, severity) in self.terms.items()
            if category == "Hate" and severity >= 2 and len(term) > 2
        }

    def rows(self) -> list[Row]:
        """Each term as a text: too little for a whole example, so it weighs half."""
        kept = []
        for term, (category, severity) in self.terms.items():
            if term in self.oaths or len(term) < 4 or severity < 1.4:
                continue
            others = {"Hate", "Sexual", "Harassment"}
            labels = label(category, unknown=others)
            kept.append(Row(term, "lexicon", labels, weight=0.5))
        return kept

    def sexual_terms(self, text: str) -> int:
        """How many different sexual terms a text names."""
        return len(self._found(text, self.sexual))

    def attacks_in(self, text: str) -> int:
        """How many different slurs a text names."""
        return len(self._found(text, self.attacks))

    def _found(self, text: str, terms: set[str]) -> set[str]:
        words = _WORD.findall(text.lower())
        return {
            term
            for size in range(1, _LONGEST + 1)
            for start in range(len(words) - size + 1)
            if (term := " ".join(words[start : start + size])) in terms
        }


def _joined(term: str) -> str:
    return " ".join(_WORD.findall(term.lower()))
