"""Measure a classifier, and say how far the measurement can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import pstdev
from typing import Any

__all__ = [
    "Card",
    "CurvePoint",
    "Interval",
    "Metrics",
    "ScoredSample",
    "Spread",
    "curve",
    "evaluate",
    "spread",
    "wilson",
]

# The normal quantile of a two-sided interval of 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A range of proportions, each 0..1, that holds the true one in 95 of 100 cases."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a threshold makes of scored samples; proportions are 0..1.

    A proportion of nothing is None: precision where no score reaches the threshold,
    recall without positives, the two areas unless both labels occur.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None
    false_positive_rate: float | None
    roc_auc: float | None
    average_precision: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard deviation of a metric over the folds that have it; None below two."""

    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """How many samples fall where at one threshold."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSample:
    """A sample by its place in the training sequence, from 0; never its text."""

    index: int
    is_positive: bool
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of a trained category's errors before it goes live.

    Every score in it was given to a sample by a model that had not seen the sample.
    """

    method: str
    folds: int
    seed: int
    positives: int
    negatives: int
    groups: int  # different texts, near-duplicates counted once
    metrics: Metrics
    spread: Spread
    curve: tuple[CurvePoint, ...]
    worst_errors: tuple[ScoredSample, ...]
    suspect_labels: tuple[int, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None: JSON without NaN."""
        plain: dict[str, Any] = asdict(self)
        for name in ("curve", "worst_errors", "suspect_labels", "warnings"):
            plain[name] = list(plain[name])
        return plain


def evaluate(
    labels: Sequence[bool], scores: Sequence[float], threshold: float
) -> Metrics:
    """Measure scores against labels; a score at the threshold counts as positive.

    Raise ValueError where the two differ in length.
    """
    point = _count(labels, scores, threshold)
    tp, fp = point.true_positives, point.false_positives
    fn, tn = point.false_negatives, point.true_negatives
    return Metrics(
        threshold=threshold,
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        true_negatives=tn,
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        false_positive_rate=_ratio(fp, fp + tn),
        roc_auc=_roc_auc(labels, scores),
        average_precision=_average_precision(labels, scores),
        precision_interval=wilson(tp, tp + fp),
        recall_interval=wilson(tp, tp + fn),
    )


def wilson(successes: int, trials: int) -> Interval | None:
    """Return Wilson's 95 % interval of a proportion, None without a trial.

    Unlike the textbook's p ± 1.96 s it stays within 0..1 and holds for few trials
    (Wilson 1927, JASA 22:209).
    """
    if not trials:
        return None
    share = successes / trials
    scale = 1 + _Z * _Z / trials
    middle = (share + _Z * _Z / (2 * trials)) / scale
    half = _Z * sqrt(share * (1 - share) / trials + (_Z / (2 * trials)) ** 2) / scale
    return Interval(low=max(0.0, middle - half), high=min(1.0, middle + half))


def curve(
    labels: Sequence[bool], scores: Sequence[float], points: int = 101
) -> tuple[CurvePoint, ...]:
    """Count at evenly spaced thresholds from 0 to 1, both included."""
    return tuple(_count(labels, scores, step / (points - 1)) for step in range(points))


def spread(folds: Sequence[Metrics]) -> Spread:
    """Return how much the metrics differ between folds."""
    return Spread(
        precision=_deviation([fold.precision for fold in folds]),
        recall=_deviation([fold.recall for fold in folds]),
        f1=_deviation([fold.f1 for fold in folds]),
        roc_auc=_deviation([fold.roc_auc for fold in folds]),
    )


def _count(
    labels: Sequence[bool], scores: Sequence[float], threshold: float
) -> CurvePoint:
    counts = {(True, True): 0, (False, True): 0, (True, False): 0, (False, False): 0}
    for label, score in zip(labels, scores, strict=True):
        counts[bool(label), score >= threshold] += 1
    return CurvePoint(
        threshold=threshold,
        true_positives=counts[True, True],
        false_positives=counts[False, True],
        false_negatives=counts[True, False],
        true_negatives=counts[False, False],
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return pstdev(known) if len(known) > 1 else None


def _steps(labels: Sequence[bool], scores: Sequence[float]) -> list[tuple[int, int]]:
    """Count (positives, negatives) at each different score, the highest first."""
    steps: dict[float, tuple[int, int]] = {}
    for score, label in sorted(zip(scores, labels, strict=True), reverse=True):
        positives, negatives = steps.get(score, (0, 0))
        steps[score] = (positives + bool(label), negatives + (not label))
    return list(steps.values())


def _roc_auc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    above = won = all_positives = all_negatives = 0.0
    for positives, negatives in _steps(labels, scores):
        # A tie between a positive and a negative is half a win.
        won += negatives * (above + positives / 2)
        above += positives
        all_positives += positives
        all_negatives += negatives
    if not all_positives or not all_negatives:
        return None
    return won / (all_positives * all_negatives)


def _average_precision(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    total = sum(map(bool, labels))
    if not total or total == len(labels):
        return None
    found = seen = 0
    area = 0.0
    for positives, negatives in _steps(labels, scores):
        found += positives
        seen += positives + negatives
        area += positives / total * found / seen
    return area
