"""From logits to scores and severities, by texts whose source the head hasn't seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_contentsafety.engine.calibration import fit_platt

from .fit import targets
from .rows import Row
from .selection import BENIGN_SOURCES

__all__ = ["RATES", "calibrate", "ordinary"]

#: The shares of ordinary texts that reach a severity, by severity. 2, 4 and 6 are
#: chosen; a severity between two of them has the mean of their logits, 1 lies half a
#: step below 2, and 7 half a step above 6.
RATES = {2: 0.05, 4: 0.01, 6: 0.001}


def calibrate(
    rows: Sequence[Row], category: str, logits: Any
) -> tuple[float, float, list[float]]:
    """Return slope and offset of the score, and the seven logits of the severities.

    A score is the probability of the category where half of the texts belong to it and
    half are ordinary. All of it is measured on held-out `logits`.
    """
    import numpy as np

    labels = targets(rows, category)
    positive = (labels == 1) & ~np.isnan(logits)
    shares = ordinary(rows)
    used = positive | (shares > 0)
    slope, offset = fit_platt(logits[used], positive[used])
    found = {
        severity: _quantile(logits[shares > 0], shares[shares > 0], 1 - rate)
        for severity, rate in RATES.items()
    }
    half = (found[4] - found[2]) / 2, (found[6] - found[4]) / 2
    return (
        slope,
        offset,
        [
            found[2] - half[0],
            found[2],
            found[2] + half[0],
            found[4],
            found[4] + half[1],
            found[6],
            found[6] + half[1],
        ],
    )


def ordinary(rows: Sequence[Row]) -> Any:
    """How much each row counts as ordinary text: every source the same, 1 in all."""
    import numpy as np

    shares = np.zeros(len(rows))
    for source in BENIGN_SOURCES:
        mine = np.array([row.benign and row.source == source for row in rows])
        if mine.any():
            shares[mine] = 1 / mine.sum()
    return shares / (shares.sum() or 1)


def _quantile(values: Any, shares: Any, level: float) -> float:
    """The least value with at least `level` of all shares at or below it."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    below = np.cumsum(shares[order])
    place = min(int(np.searchsorted(below, level * below[-1])), len(order) - 1)
    return float(values[order[place]])
