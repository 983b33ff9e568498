"""Read a card back from JSON, which any provider may have written.

What is missing or makes no sense is left out, each value for itself: a page that shows
a card shows what there is of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .cards import ScoredSample
from .evaluation import CurvePoint
from .head import TokenWeight
from .intervals import Interval, f1_interval, wilson
from .reliability import Reliability, ReliabilityBin
from .slices import Slice
from .unrelated import UnrelatedErrors

__all__ = ["METRICS", "Measured", "StoredCard", "read_card", "read_metrics"]

#: The metrics that a card may have, in the order in which they are shown.
METRICS = ("precision", "recall", "f1", "roc_auc", "average_precision")

# No list of a card is read further, and no sentence.
_MOST_SAMPLES = 1_000_000
_MOST_ROWS = 1_000
_MOST_CHARS = 500
# How far past its ends a share may be that was summed of others.
_ROUNDING = 1e-9

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric, 0..1, and how sure it is where that is known."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """What a card says; empty or None where it says nothing.

    `counts` are those at `threshold`. `scores` has one entry a frozen sample, None
    where the score can't be read.
    """

    method: str = ""
    folds: int | None = None
    seed: int | None = None
    positives: int | None = None
    negatives: int | None = None
    groups: int | None = None
    threshold: float | None = None
    counts: CurvePoint | None = None
    metrics: Mapping[str, Measured] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    scores: tuple[float | None, ...] = ()
    reliability: Reliability | None = None
    slices: tuple[Slice, ...] = ()
    unrelated: UnrelatedErrors | None = None
    worst_errors: tuple[ScoredSample, ...] = ()
    suspect_labels: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was measured."""
        return bool(self.metrics or self.counts)


def read_card(card: Any) -> StoredCard:
    """Return what can be read of a card; never raises for what it holds."""
    if not isinstance(card, dict):
        return StoredCard()
    stored = _mapping(card.get("metrics"))
    counts = _counts(stored)
    positives, negatives = _count(card.get("positives")), _count(card.get("negatives"))
    if counts is not None:
        if positives is None:
            positives = counts.true_positives + counts.false_negatives
        if negatives is None:
            negatives = counts.false_positives + counts.true_negatives
    scores = card.get("scores")
    points = {point.threshold: point for point in _each(card.get("curve"), _point)}
    return StoredCard(
        method=_words(card.get("method")),
        folds=_count(card.get("folds")),
        seed=_count(card.get("seed")),
        positives=positives,
        negatives=negatives,
        groups=_count(card.get("groups")),
        threshold=_share(stored.get("threshold")),
        counts=counts,
        metrics=_metrics(stored, counts),
        curve=tuple(points[threshold] for threshold in sorted(points)),
        scores=tuple(map(_share, scores[:_MOST_SAMPLES]))
        if isinstance(scores, list)
        else (),
        reliability=_reliability(card.get("reliability")),
        slices=tuple(_each(card.get("slices"), _slice)),
        unrelated=_unrelated(card.get("unrelated")),
        worst_errors=tuple(_each(card.get("worst_errors"), _error)),
        suspect_labels=tuple(dict.fromkeys(_each(card.get("suspect_labels"), _count))),
        warnings=tuple(
            dict.fromkeys(
                words for words in _each(card.get("warnings"), _words) if words
            )
        ),
    )


def read_metrics(card: Any) -> StoredCard:
    """Return the threshold, the counts and the metrics of a card, and no more of it.

    As `read_card`, without the work that a thousand samples make.
    """
    return read_card({"metrics": _mapping(card).get("metrics")})


def _metrics(
    stored: Mapping[Any, Any], counts: CurvePoint | None
) -> dict[str, Measured]:
    """The metrics as they were stored, else as the four counts make them."""
    found = {}
    for name in METRICS:
        value = _share(stored.get(name))
        if value is not None:
            interval = _interval(stored.get(f"{name}_interval"))
            found[name] = Measured(value=value, interval=interval)
    if counts is None:
        return found
    tp, fp, fn = counts.true_positives, counts.false_positives, counts.false_negatives
    f1 = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0
    for name, part, whole, interval in (
        ("precision", tp, tp + fp, wilson(tp, tp + fp)),
        ("recall", tp, tp + fn, wilson(tp, tp + fn)),
        ("f1", 2 * tp, 2 * tp + fp + fn, f1_interval(f1, tp + fp + fn)),
    ):
        if name not in found and whole:
            found[name] = Measured(value=part / whole, interval=interval)
        elif name in found and found[name].interval is None:
            found[name] = Measured(value=found[name].value, interval=interval)
    return {name: found[name] for name in METRICS if name in found}


def _counts(row: Mapping[Any, Any]) -> CurvePoint | None:
    tp, fp = _count(row.get("true_positives")), _count(row.get("false_positives"))
    fn, tn = _count(row.get("false_negatives")), _count(row.get("true_negatives"))
    if tp is None or fp is None or fn is None or tn is None or not tp + fp + fn + tn:
        return None
    threshold = _share(row.get("threshold"))
    return CurvePoint(
        # A provider that answers yes or no has none, and flags what it says yes to.
        threshold=0.5 if threshold is None else threshold,
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        true_negatives=tn,
    )


def _point(row: Any) -> CurvePoint | None:
    row = _mapping(row)
    return None if _share(row.get("threshold")) is None else _counts(row)


def _reliability(value: Any) -> Reliability | None:
    value = _mapping(value)
    bins = tuple(_each(value.get("bins"), _bin))
    if not bins:
        return None
    return Reliability(bins=bins, error=_share(value.get("error")))


def _bin(row: Any) -> ReliabilityBin | None:
    row = _mapping(row)
    low, high = _share(row.get("low")), _share(row.get("high"))
    count, positives = _count(row.get("count")), _count(row.get("positives"))
    if low is None or high is None or count is None or positives is None:
        return None
    if low > high or positives > count:
        return None
    return ReliabilityBin(
        low=low,
        high=high,
        count=count,
        positives=positives,
        mean_score=_share(row.get("mean_score")),
        share=_share(row.get("share")),
        share_interval=_interval(row.get("share_interval")),
    )


def _slice(row: Any) -> Slice | None:
    row = _mapping(row)
    by, name = row.get("by"), _words(row.get("name"))
    positives, negatives = _count(row.get("positives")), _count(row.get("negatives"))
    if by not in ("length", "script") or not name:
        return None
    if positives is None or negatives is None:
        return None
    return Slice(
        by=by,
        name=name,
        positives=positives,
        negatives=negatives,
        true_positives=_count(row.get("true_positives")) or 0,
        false_positives=_count(row.get("false_positives")) or 0,
        precision=_share(row.get("precision")),
        recall=_share(row.get("recall")),
        precision_interval=_interval(row.get("precision_interval")),
        recall_interval=_interval(row.get("recall_interval")),
    )


def _unrelated(value: Any) -> UnrelatedErrors | None:
    value = _mapping(value)
    count, flagged = _count(value.get("count")), _count(value.get("false_positives"))
    if not count or flagged is None or flagged > count:
        return None
    listed = value.get("scores")
    scores = tuple(_each(listed, _share)) if isinstance(listed, list) else ()
    return UnrelatedErrors(
        texts=_words(value.get("texts")),
        count=count,
        false_positives=flagged,
        rate=flagged / count,
        rate_interval=_interval(value.get("rate_interval")) or wilson(flagged, count),
        # One that can't be read would move the others to wrong texts.
        scores=scores if len(scores) == count else (),
    )


def _error(row: Any) -> ScoredSample | None:
    row = _mapping(row)
    index, score = _count(row.get("index")), _share(row.get("score"))
    is_positive = row.get("is_positive")
    if index is None or score is None or not isinstance(is_positive, bool):
        return None
    return ScoredSample(
        index=index,
        is_positive=is_positive,
        score=score,
        tokens=tuple(_each(row.get("tokens"), _token)),
    )


def _token(row: Any) -> TokenWeight | None:
    row = _mapping(row)
    start, end = _count(row.get("start")), _count(row.get("end"))
    weight = _number(row.get("weight"))
    if start is None or end is None or weight is None or start >= end:
        return None
    return TokenWeight(start=start, end=end, weight=weight)


def _interval(value: Any) -> Interval | None:
    value = _mapping(value)
    low, high = _share(value.get("low")), _share(value.get("high"))
    if low is None or high is None or low > high:
        return None
    return Interval(low=low, high=high)


def _each(rows: Any, read: Callable[[Any], T | None]) -> Iterator[T]:
    for row in rows[:_MOST_ROWS] if isinstance(rows, list) else ():
        found = read(row)
        if found is not None:
            yield found


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> str:
    return value[:_MOST_CHARS] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    # True is an int; and an int of JSON may be longer than any float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e12 < value < 1e12 else None


def _share(value: Any) -> float | None:
    number = _number(value)
    if number is None or not -_ROUNDING <= number <= 1 + _ROUNDING:
        return None
    return min(max(number, 0.0), 1.0)


def _count(value: Any) -> int | None:
    number = _number(value)
    return (
        value if isinstance(value, int) and number is not None and number >= 0 else None
    )
