"""Write the card of a trained category: its errors, and warnings in plain words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .evaluation import CurvePoint, Metrics, Spread, curve, evaluate, spread
from .features import MAX_CHARS
from .head import TokenWeight
from .reliability import Reliability, measure_reliability
from .slices import Slice, measure_slices
from .unrelated import UnrelatedErrors

__all__ = ["Card", "ScoredSample", "make_card"]

# Errors on the card; the queue of a person who looks for bad labels.
_WORST = 20
# A label is suspect where the held-out score is this near to the other one.
_SUSPECT = 0.1
# Below this many samples of a label, a proportion's interval spans 14 points or more
# at its narrowest usual (0.95 of 50: 0.84 to 0.98).
_FEW = 50
# Ordinary traffic is mostly unrelated: from this share on, false alarms outnumber
# the hits on a site where one text in fifty belongs.
_OFTEN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSample:
    """A sample by its place in the training sequence, from 0; never its text.

    `tokens` are the words that moved its score most, by the weights of the model that
    gave it: the one that had not seen the sample's fold.
    """

    index: int
    is_positive: bool
    score: float
    tokens: tuple[TokenWeight, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of a trained category's errors before it goes live.

    Every score of a sample in it was given by a model that had not seen the sample;
    `unrelated` was measured with the model that goes live.
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
    scores: tuple[float, ...]  # one a sample, in their order, to 4 digits
    reliability: Reliability
    slices: tuple[Slice, ...]
    unrelated: UnrelatedErrors
    worst_errors: tuple[ScoredSample, ...]
    suspect_labels: tuple[int, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None: JSON without NaN."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def make_card(
    *,
    texts: list[str],
    labels: list[bool],
    scores: list[float],
    folds: list[int],
    groups: list[int],
    explain: Callable[[int], list[TokenWeight]],
    unrelated: UnrelatedErrors,
    truncated: int,
    threshold: float,
    seed: int,
    by_samples: Sequence[float] | None = None,
) -> Card:
    """Return the card of scores that were each given to a sample held out.

    `folds` and `groups` number each sample's fold and its group of near-duplicates;
    `explain` returns the words that moved the score of the sample at an index;
    `truncated` counts the samples that were too long to be read whole. `by_samples` are
    the scores by heads of the other samples alone, without ordinary texts: if given,
    labels are doubted by these.
    """
    # Rounded before anything is counted, so that whoever has the card's scores can
    # count the same.
    scores = [round(score, 4) for score in scores]
    count = max(folds) + 1
    metrics = evaluate(labels, scores, threshold, groups)
    if all(labels):
        # Among no negatives nothing can be wrongly flagged: that is no precision.
        metrics = replace(
            metrics,
            precision=None,
            precision_interval=None,
            f1=None,
            f1_interval=None,
        )
    each = []
    for fold in range(count):
        mine = [index for index, number in enumerate(folds) if number == fold]
        each.append(
            evaluate(
                [labels[index] for index in mine],
                [scores[index] for index in mine],
                threshold,
            )
        )
    wrong = [
        index
        for index, (label, score) in enumerate(zip(labels, scores, strict=True))
        if (score >= threshold) is not label
    ]
    wrong.sort(key=lambda index: (-abs(scores[index] - labels[index]), index))
    doubts = [
        abs(score - label)
        for score, label in zip(by_samples or scores, labels, strict=True)
    ]
    suspect = [index for index, doubt in enumerate(doubts) if doubt > 1 - _SUSPECT]
    suspect.sort(key=lambda index: (-doubts[index], index))
    return Card(
        method=f"{count}-fold cross-validation, near-duplicates grouped in a fold",
        folds=count,
        seed=seed,
        positives=sum(labels),
        negatives=len(labels) - sum(labels),
        groups=len(set(groups)),
        metrics=metrics,
        spread=spread(each),
        curve=curve(labels, scores),
        scores=tuple(scores),
        reliability=measure_reliability(labels, scores),
        slices=measure_slices(texts, labels, scores, threshold, groups),
        unrelated=unrelated,
        worst_errors=tuple(
            ScoredSample(
                index=index,
                is_positive=labels[index],
                score=scores[index],
                tokens=tuple(explain(index)),
            )
            for index in wrong[:_WORST]
        ),
        suspect_labels=tuple(suspect),
        warnings=tuple(
            _warnings(metrics, labels, groups, suspect, unrelated, truncated)
        ),
    )


def _plain(value: Any) -> Any:
    """The same in what JSON has; asdict keeps tuples."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _warnings(
    metrics: Metrics,
    labels: list[bool],
    groups: list[int],
    suspect: list[int],
    unrelated: UnrelatedErrors,
    truncated: int,
) -> list[str]:
    positives, negatives = sum(labels), len(labels) - sum(labels)
    warnings = []
    if not negatives:
        warnings.append(
            "There are no negatives, so precision and F1 are unknown, and texts that"
            " are merely similar are likely to be flagged: add 20 or more of them."
        )
    for count, name in ((positives, "positives"), (negatives, "negatives")):
        if 0 < count < _FEW:
            warnings.append(f"{count} {name}: the interval is wide.")
    if max(positives, negatives) > 10 * min(positives, negatives) > 0:
        warnings.append(
            f"{positives:,} positives and {negatives:,} negatives: the smaller side is"
            " known far less well."
        )
    if unrelated.rate > _OFTEN:
        warnings.append(
            f"It flags {unrelated.false_positives} of {unrelated.count} ordinary texts"
            " about other things: add negatives of the kinds that your site receives."
        )
    if repeated := len(groups) - len(set(groups)):
        warnings.append(
            f"Samples that repeat others almost word for word: {repeated:,}."
        )
    if metrics.roc_auc is not None and metrics.roc_auc < 0.7:
        warnings.append(
            "Positives and negatives are hardly told apart: the definition may be too"
            " vague for these samples."
        )
    if suspect:
        warnings.append(f"Samples that may have the wrong label: {len(suspect):,}.")
    if truncated:
        warnings.append(
            f"Samples longer than {MAX_CHARS:,} characters, the rest of which was not"
            f" read: {truncated:,}."
        )
    return warnings
