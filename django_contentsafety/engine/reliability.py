"""Whether a score means what it says: of texts scored 0.8, do eight in ten belong?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .intervals import Interval, wilson

__all__ = ["BINS", "Reliability", "ReliabilityBin", "measure_reliability"]

#: Bins of equal width that scores are sorted into.
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The samples whose score is at least `low` and below `high` (the last: up to 1).

    `mean_score` and `share`, the share of positives, are 0..1, or None for an empty
    bin; both count positives and negatives as if there were equally many of them in
    all, which is what a score is calibrated for. `count` and `positives` are bare.
    """

    low: float
    high: float
    count: int
    positives: int
    mean_score: float | None
    share: float | None
    share_interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The reliability diagram of scored samples.

    `error` is how far a score is from the share of positives among its like, on the
    average over all samples: the expected calibration error of Naeini, Cooper and
    Hauskrecht (2015, AAAI, 2901), 0..1. None unless both labels occur.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float | None


def measure_reliability(labels: Sequence[bool], scores: Sequence[float]) -> Reliability:
    """Sort scores, each 0..1, into bins and compare them with the labels."""
    positives = sum(map(bool, labels))
    negatives = len(labels) - positives
    found: list[list[tuple[bool, float]]] = [[] for _ in range(BINS)]
    for label, score in zip(labels, scores, strict=True):
        found[min(int(score * BINS), BINS - 1)].append((bool(label), score))
    if not positives or not negatives:
        weights = {True: 1.0, False: 1.0}
    else:
        weights = {True: 0.5 / positives, False: 0.5 / negatives}
    bins = tuple(_bin(number, rows, weights) for number, rows in enumerate(found))
    error = None
    if positives and negatives:
        error = sum(
            sum(weights[label] for label, _ in rows) * abs(one.mean_score - one.share)
            for one, rows in zip(bins, found, strict=True)
            if one.mean_score is not None and one.share is not None
        )
    return Reliability(bins=bins, error=error)


def _bin(
    number: int, rows: list[tuple[bool, float]], weights: dict[bool, float]
) -> ReliabilityBin:
    low, high = number / BINS, (number + 1) / BINS
    count, positives = len(rows), sum(label for label, _ in rows)
    if not rows:
        return ReliabilityBin(
            low=low,
            high=high,
            count=0,
            positives=0,
            mean_score=None,
            share=None,
            share_interval=None,
        )
    weight = sum(weights[label] for label, _ in rows)

    def even_out(share: float) -> float:
        # The odds times the ratio of weights; it keeps the order, so the ends of the
        # bare share's interval become those of this one's.
        of_positives, of_negatives = share * weights[True], (1 - share) * weights[False]
        return of_positives / (of_positives + of_negatives)

    interval = wilson(positives, count)
    return ReliabilityBin(
        low=low,
        high=high,
        count=count,
        positives=positives,
        mean_score=sum(weights[label] * score for label, score in rows) / weight,
        share=even_out(positives / count),
        share_interval=interval
        and Interval(low=even_out(interval.low), high=even_out(interval.high)),
    )
