"""Platt's scaling: from the logits of a classifier to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["fit_platt"]

# Keeps the order of scores where the logits tell nothing or mislead.
_MIN_SLOPE = 1e-6
# Logits that differ less than this differ by rounding.
_MIN_WIDTH = 1e-6


def fit_platt(
    logits: NDArray[np.float64], targets: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return (slope, offset) such that sigmoid(slope * logit + offset) is calibrated.

    Both labels weigh the same in total, however many samples each has, because the
    share of positives in an upload says nothing of the share in a site's traffic.
    The targets are Platt's (1999), drawn in from 0 and 1, so that separable logits
    have a finite answer. Two parameters and no more: an isotonic fit overfits below
    some 500 samples. The slope is above 0 always.
    """
    import numpy as np

    positives = int(targets.sum())
    negatives = len(targets) - positives
    width = float(np.std(logits))
    if not positives or not negatives or width < _MIN_WIDTH:
        return _MIN_SLOPE, 0.0
    wanted = np.where(targets, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    shares = np.where(targets, 0.5 / positives, 0.5 / negatives)
    columns = np.stack([logits / width, np.ones_like(logits)])

    def loss(point: NDArray[np.float64]) -> float:
        line = point @ columns
        return float(shares @ (np.logaddexp(0, line) - wanted * line))

    point = np.zeros(2)
    current = loss(point)
    for _ in range(100):
        chances = 1 / (1 + np.exp(-np.clip(point @ columns, -40, 40)))
        slope = columns @ (shares * (chances - wanted))
        curvature = (columns * (shares * chances * (1 - chances))) @ columns.T
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), slope)
        # Newton's step overshoots far from the answer; halving it cannot fail, for
        # the loss is convex.
        size = 1.0
        while loss(point - size * step) > current and size > 1e-6:
            size /= 2
        point = point - size * step
        before, current = current, loss(point)
        if before - current < 1e-12:
            break
    if point[0] / width < _MIN_SLOPE:
        return _MIN_SLOPE, 0.0
    return float(point[0] / width), float(point[1])
