"""Measure a classifier, and say how far the measurement can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import pstdev

from .intervals import (
    Interval,
    auc_interval,
    average_precision_interval,
    effective_size,
    f1_interval,
    wilson,
)

__all__ = ["CurvePoint", "Metrics", "Spread", "curve", "evaluate", "spread"]


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
    f1_interval: Interval | None
    roc_auc_interval: Interval | None
    average_precision_interval: Interval | None


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


def evaluate(
    labels: Sequence[bool],
    scores: Sequence[float],
    threshold: float,
    groups: Sequence[int] | None = None,
) -> Metrics:
    """Measure scores against labels; a score at the threshold counts as positive.

    `groups` numbers each sample's group of near-duplicates, which widen the intervals;
    without it all differ. Raise ValueError where the lengths differ.
    """
    point = _count(labels, scores, threshold)
    tp, fp = point.true_positives, point.false_positives
    fn, tn = point.false_negatives, point.true_negatives
    precision, recall = _ratio(tp, tp + fp), _ratio(tp, tp + fn)
    f1 = _ratio(2 * tp, 2 * tp + fp + fn)
    roc_auc = _roc_auc(labels, scores)
    average_precision = _average_precision(labels, scores)
    sizes = _sizes(labels, scores, threshold, groups or range(len(labels)))
    return Metrics(
        threshold=threshold,
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        true_negatives=tn,
        precision=precision,
        recall=recall,
        f1=f1,
        false_positive_rate=_ratio(fp, fp + tn),
        roc_auc=roc_auc,
        average_precision=average_precision,
        precision_interval=wilson((precision or 0) * sizes.flagged, sizes.flagged),
        recall_interval=wilson((recall or 0) * sizes.positives, sizes.positives),
        f1_interval=None if f1 is None else f1_interval(f1, sizes.either),
        roc_auc_interval=None
        if roc_auc is None
        else auc_interval(roc_auc, sizes.positives, sizes.negatives),
        average_precision_interval=None
        if average_precision is None
        else average_precision_interval(average_precision, sizes.positives),
    )


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


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How many independent samples are of each kind."""

    positives: float
    negatives: float
    flagged: float
    either: float  # positive or flagged


def _sizes(
    labels: Sequence[bool],
    scores: Sequence[float],
    threshold: float,
    groups: Sequence[int],
) -> _Sizes:
    rows = list(zip(labels, scores, groups, strict=True))
    return _Sizes(
        positives=effective_size([g for label, _, g in rows if label]),
        negatives=effective_size([g for label, _, g in rows if not label]),
        flagged=effective_size([g for _, score, g in rows if score >= threshold]),
        either=effective_size(
            [g for label, score, g in rows if label or score >= threshold]
        ),
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
    # Rounding may carry the sum past the whole.
    return min(area, 1.0)
