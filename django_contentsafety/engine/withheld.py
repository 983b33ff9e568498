"""Withhold samples from a build, and measure on them what was built from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from .evaluation import curve, evaluate
from .folds import essence, group_texts
from .reliability import measure_reliability
from .slices import measure_slices

__all__ = ["LEAST", "Answer", "choose_withheld", "make_withheld_card"]

#: Samples of a label below which nothing is withheld. Of ten samples nine of which are
#: told right, the 95 % interval is 0.60 to 0.98: with fewer a card says nothing.
LEAST = 10
#: Where a score counts as positive; the curve of the card tells of the others.
THRESHOLD = 0.5
#: Errors on the card, as on that of the embedded engine.
_WORST = 20
#: Below so many samples of a label an interval spans 14 points or more.
_FEW = 50

#: A score from 0 to 1, yes or no, or None: the provider refused the text.
Answer = float | bool | None


def choose_withheld(
    texts: Sequence[str], labels: Sequence[bool], share: float
) -> frozenset[int]:
    """Return the places of the samples to withhold: at most `share` (0..1) of a label.

    Texts that say the same stay together. Which ones are withheld goes by what they
    say alone: the same samples give the same split in any order, and one more sample
    moves few others, so that the cards of two versions can be compared. Empty where
    there would be fewer than `LEAST` of a label.
    """
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(essence(text), []).append(index)

    def order(core: str) -> bytes:
        # A lone surrogate has no UTF-8 of its own.
        return sha256(core.encode("utf-8", "surrogatepass")).digest()

    positives = sum(map(bool, labels))
    room = {
        True: int(positives * share),
        False: int((len(labels) - positives) * share),
    }
    chosen: list[int] = []
    for core in sorted(groups, key=order):
        members = groups[core]
        taken = sum(bool(labels[index]) for index in members)
        # A group too large for what is left stays where it is learned from.
        if taken <= room[True] and len(members) - taken <= room[False]:
            room[True] -= taken
            room[False] -= len(members) - taken
            chosen += members
    found = sum(bool(labels[index]) for index in chosen)
    if found < LEAST or len(chosen) - found < LEAST:
        return frozenset()
    return frozenset(chosen)


def make_withheld_card(
    texts: Sequence[str], labels: Sequence[bool], answers: Sequence[Answer]
) -> dict[str, Any]:
    """Return the card of what answered so about the withheld samples, as plain JSON.

    `scores`, `worst_errors` and their places count the samples given here. Where the
    answers are yes and no there is nothing in between to rank by: no curve, no
    calibration, no area. Raise ValueError where no sample of a label has an answer.
    """
    known = [index for index, answer in enumerate(answers) if answer is not None]
    of = [bool(labels[index]) for index in known]
    if not any(of) or all(of):
        raise ValueError("There are answers about one label alone, or none.")
    scores = [round(float(answers[index] or 0.0), 4) for index in known]
    yes_or_no = all(isinstance(answers[index], bool) for index in known)
    mine = [texts[index] for index in known]
    groups = group_texts(mine)
    metrics = asdict(evaluate(of, scores, THRESHOLD, groups))
    if yes_or_no:
        metrics |= {
            name: None
            for name in metrics
            if name == "threshold" or name.startswith(("roc_auc", "average_precision"))
        }
    wrong = [
        place
        for place, (label, score) in enumerate(zip(of, scores, strict=True))
        if (score >= THRESHOLD) is not label
    ]
    wrong.sort(key=lambda place: (-abs(scores[place] - of[place]), place))
    by_place = dict(zip(known, scores, strict=True))
    return {
        "method": "samples withheld from the build, analyzed by the built version",
        "positives": sum(of),
        "negatives": len(of) - sum(of),
        "groups": len(set(groups)),
        "metrics": metrics,
        "scores": [by_place.get(index) for index in range(len(answers))],
        "slices": [
            asdict(part) for part in measure_slices(mine, of, scores, THRESHOLD, groups)
        ],
        "worst_errors": [
            {"index": known[place], "is_positive": of[place], "score": scores[place]}
            for place in wrong[:_WORST]
        ],
        "warnings": _warnings(of, len(answers) - len(known), yes_or_no=yes_or_no),
        **({} if yes_or_no else _graded(of, scores)),
    }


def _graded(labels: list[bool], scores: list[float]) -> dict[str, Any]:
    """What only scores between yes and no can tell."""
    reliability = asdict(measure_reliability(labels, scores))
    return {
        "curve": [asdict(point) for point in curve(labels, scores)],
        "reliability": {**reliability, "bins": list(reliability["bins"])},
    }


def _warnings(labels: list[bool], unanswered: int, *, yes_or_no: bool) -> list[str]:
    warnings = []
    for count, name in (
        (sum(labels), "positives"),
        (len(labels) - sum(labels), "negatives"),
    ):
        if count < _FEW:
            warnings.append(f"{count} {name}: the interval is wide.")
    if unanswered:
        warnings.append(
            f"Samples that the provider refused to analyze: {unanswered:,}."
        )
    if yes_or_no:
        warnings.append("The provider answers yes or no: there is no threshold to set.")
    return warnings
