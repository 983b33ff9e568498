"""Part samples into folds without letting near-duplicates stand on both sides."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .normalize import normalize

__all__ = ["assign_folds", "essence", "group_texts"]


def group_texts(texts: Sequence[str]) -> list[int]:
    """Return a group number for each text, the same for texts that say the same.

    Two texts do where they agree once normalized and stripped of all but letters and
    digits. A copy on the other side of a fold is the commonest way a cross-validation
    flatters.
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(essence(text), len(numbers)) for text in texts]


def assign_folds(
    labels: Sequence[bool], groups: Sequence[int], *, folds: int, seed: int
) -> list[int]:
    """Return a fold for each sample, groups whole and labels spread evenly."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = list(members)
    random.Random(seed).shuffle(order)  # noqa: S311 - a split, not a secret
    # The large groups first, while there is room to balance them.
    order.sort(key=lambda group: -len(members[group]))
    filled = [[0, 0] for _ in range(folds)]
    chosen = [0] * len(labels)
    for group in order:
        positives = sum(labels[index] for index in members[group])
        negatives = len(members[group]) - positives
        side = positives >= negatives
        fold = min(range(folds), key=lambda f: (filled[f][side], sum(filled[f]), f))
        filled[fold][True] += positives
        filled[fold][False] += negatives
        for index in members[group]:
            chosen[index] = fold
    return chosen


def essence(text: str) -> str:
    """Return what near-duplicates share: the normalized letters and digits."""
    normalized = normalize(text).text
    letters = "".join(char for char in normalized if char.isalnum())
    # A text of emoji alone has no letters, and is not every other such text.
    return letters or normalized.strip()
