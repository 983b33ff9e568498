"""Write the card of a trained category: its errors, and warnings in plain words."""

from __future__ import annotations

from .evaluation import Card, Metrics, ScoredSample, curve, evaluate, spread
from .features import MAX_CHARS

__all__ = ["make_card"]

# Errors on the card; the queue of a person who looks for bad labels.
_WORST = 20
# A label is suspect where the held-out score is this near to the other one.
_SUSPECT = 0.1


def make_card(
    *,
    labels: list[bool],
    scores: list[float],
    folds: list[int],
    groups: list[int],
    truncated: int,
    threshold: float,
    seed: int,
) -> Card:
    """Return the card of scores that were each given to a sample held out.

    `folds` and `groups` number each sample's fold and its group of near-duplicates;
    `truncated` counts the samples that were too long to be read whole.
    """
    count = max(folds) + 1
    metrics = evaluate(labels, scores, threshold)
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
    scored = sorted(
        (
            ScoredSample(index=index, is_positive=label, score=score)
            for index, (label, score) in enumerate(zip(labels, scores, strict=True))
        ),
        key=lambda sample: (-abs(sample.score - sample.is_positive), sample.index),
    )
    wrong = [
        sample
        for sample in scored
        if (sample.score >= threshold) is not sample.is_positive
    ]
    suspect = [
        sample.index
        for sample in wrong
        if abs(sample.score - sample.is_positive) > 1 - _SUSPECT
    ]
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
        worst_errors=tuple(wrong[:_WORST]),
        suspect_labels=tuple(suspect),
        warnings=tuple(_warnings(metrics, labels, groups, suspect, truncated)),
    )


def _warnings(
    metrics: Metrics,
    labels: list[bool],
    groups: list[int],
    suspect: list[int],
    truncated: int,
) -> list[str]:
    positives, negatives = sum(labels), len(labels) - sum(labels)
    warnings = [
        "Measured on texts like the samples: how often unrelated texts are taken for"
        " the category is not known."
    ]
    for count, name in ((positives, "positives"), (negatives, "negatives")):
        if count < 50:
            warnings.append(f"{count} {name}: the interval is wide.")
    if max(positives, negatives) > 10 * min(positives, negatives):
        warnings.append(
            f"{positives:,} positives and {negatives:,} negatives: the smaller side is"
            " known far less well."
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
