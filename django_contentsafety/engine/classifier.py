"""Train a category from samples, and measure it on samples it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .calibration import fit_platt
from .errors import TrainingError, require
from .evaluation import (
    Card,
    Metrics,
    ScoredSample,
    curve,
    evaluate,
    spread,
)
from .features import DIMENSIONS, MAX_CHARS, featurize
from .folds import assign_folds, group_texts
from .head import Head, TextScore, TokenWeight, sigmoid
from .samples import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MIN_SAMPLES",
    "Head",
    "Progress",
    "TextScore",
    "TokenWeight",
    "TrainedCategory",
    "train",
]

#: Different positives, and different negatives, below which nothing is trained: the
#: interval of a recall measured on 20 is 40 points wide.
MIN_SAMPLES = 20
#: The default threshold. Scores are calibrated for equally frequent labels.
THRESHOLD = 0.5

_FOLDS = 5
_METHOD = "5-fold cross-validation, near-duplicates grouped in a fold"
# Inverse strength of the L2 penalty.
_C = 10.0
_WORST = 20
_SUSPECT = 0.1

#: Called with the phase (features, cross-validation, fit, calibration, card) and the
#: fraction of the whole work done, 0..1. What it raises ends the training.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedCategory:
    """A head and the card that says how well it does."""

    head: Head
    card: Card


def train(
    samples: Sequence[Sample], *, seed: int = 0, progress: Progress | None = None
) -> TrainedCategory:
    """Train a head; the same samples in the same order and seed give the same bytes.

    Raise TrainingError for samples that cannot make a category: fewer than 20
    different positives or negatives, one text with both labels, all the same text.
    Raise MissingDependency without scikit-learn.
    """
    require("sklearn", "scikit-learn")
    import numpy as np

    report = progress or _silent
    labels = [sample.is_positive for sample in samples]
    texts = [sample.text for sample in samples]
    report("features", 0.0)
    groups = group_texts(texts)
    _check(texts, labels, groups)
    matrix, truncated = _matrix(texts, report)
    targets = np.array(labels)

    folds = np.array(assign_folds(labels, groups, folds=_FOLDS, seed=seed))
    logits = np.zeros(len(labels))
    for fold in range(_FOLDS):
        report("cross-validation", 0.3 + 0.1 * fold)
        held_out = folds == fold
        model = _fit(matrix[~held_out], targets[~held_out], seed)
        logits[held_out] = _logits(model, matrix[held_out])

    report("fit", 0.8)
    model = _fit(matrix, targets, seed)

    report("calibration", 0.9)
    slope, offset = fit_platt(logits, targets)
    head = Head(
        weights=model.weights,
        scale=model.scale,
        bias=model.bias,
        slope=slope,
        offset=offset,
        threshold=THRESHOLD,
    )

    report("card", 0.95)
    scores = _held_out_scores(logits, targets, folds)
    card = _card(labels, scores, folds.tolist(), groups, truncated, seed)
    report("card", 1.0)
    return TrainedCategory(head=head, card=card)


def _silent(phase: str, fraction: float) -> None:
    pass


def _check(texts: list[str], labels: list[bool], groups: list[int]) -> None:
    _check_labels(texts, labels)
    if len(groups) >= 2 * MIN_SAMPLES and len(set(groups)) == 1:
        raise TrainingError(
            "All samples are the same text, apart from case, signs and spaces.",
            remedy="Add samples that differ in what they say.",
            code="identical",
        )
    for wanted, name in ((True, "positive"), (False, "negative")):
        mine = [
            group
            for group, label in zip(groups, labels, strict=True)
            if label is wanted
        ]
        if len(set(mine)) >= MIN_SAMPLES:
            continue
        remedy = f"Add {name} samples; 50 of each give a far steadier result."
        if not wanted:
            remedy += (
                " Training on positives alone needs a background corpus, which this"
                " version does not have."
            )
        raise TrainingError(
            f"There are {len(set(mine))} different {name} samples among {len(mine)};"
            f" at least {MIN_SAMPLES} are needed.",
            remedy=remedy,
            code=f"too_few_{name}s",
        )


def _check_labels(texts: list[str], labels: list[bool]) -> None:
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        earlier = first.setdefault(text.strip(), index)
        if labels[earlier] != labels[index]:
            raise TrainingError(
                f"Samples {earlier + 1} and {index + 1} are the same text, once as a"
                " positive and once as a negative.",
                remedy="Decide which label is right and remove the other sample.",
                code="contradiction",
            )


def _matrix(texts: list[str], report: Progress) -> tuple[Any, int]:
    """Return a scipy CSR matrix, a row a text, and how many texts were too long."""
    import numpy as np
    from scipy.sparse import csr_matrix

    rows = []
    for index, text in enumerate(texts):
        rows.append(featurize(text))
        if index % 200 == 199:
            report("features", 0.3 * (index + 1) / len(texts))
    starts = np.cumsum([0, *(len(row.indices) for row in rows)])
    matrix = csr_matrix(
        (
            np.concatenate([row.values for row in rows]).astype("float64"),
            np.concatenate([row.indices for row in rows]),
            starts,
        ),
        shape=(len(rows), DIMENSIONS),
    )
    return matrix, sum(row.truncated for row in rows)


@dataclass(frozen=True, slots=True)
class _Model:
    weights: NDArray[np.int8]
    scale: float
    bias: float


def _fit(matrix: Any, targets: NDArray[np.bool_], seed: int) -> _Model:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    # A bucket that no sample touches has weight 0 in any case.
    used = np.unique(matrix.indices)
    model = LogisticRegression(
        C=_C, class_weight="balanced", max_iter=1000, random_state=seed
    )
    model.fit(matrix[:, used], targets)
    found = model.coef_[0]
    scale = float(np.abs(found).max(initial=0.0)) / 127 or 1.0
    weights = np.zeros(DIMENSIONS, dtype=np.int8)
    weights[used] = np.rint(found / scale).astype(np.int8)
    return _Model(weights=weights, scale=scale, bias=float(model.intercept_[0]))


def _logits(model: _Model, matrix: Any) -> Any:
    return model.scale * (matrix @ model.weights.astype("float64")) + model.bias


def _held_out_scores(
    logits: NDArray[np.float64],
    targets: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> list[float]:
    """Calibrate each fold's logits by the other folds', so that none grades itself."""
    scores = [0.0] * len(targets)
    for fold in range(_FOLDS):
        held_out = folds == fold
        slope, offset = fit_platt(logits[~held_out], targets[~held_out])
        for index in held_out.nonzero()[0]:
            scores[index] = sigmoid(slope * float(logits[index]) + offset)
    return scores


def _card(
    labels: list[bool],
    scores: list[float],
    folds: list[int],
    groups: list[int],
    truncated: int,
    seed: int,
) -> Card:
    metrics = evaluate(labels, scores, THRESHOLD)
    each = []
    for fold in range(_FOLDS):
        mine = [index for index, number in enumerate(folds) if number == fold]
        each.append(
            evaluate(
                [labels[index] for index in mine],
                [scores[index] for index in mine],
                THRESHOLD,
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
        if (sample.score >= THRESHOLD) is not sample.is_positive
    ]
    suspect = [
        sample.index
        for sample in wrong
        if abs(sample.score - sample.is_positive) > 1 - _SUSPECT
    ]
    return Card(
        method=_METHOD,
        folds=_FOLDS,
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
        warnings.append(f"{repeated:,} samples repeat others almost word for word.")
    if metrics.roc_auc is not None and metrics.roc_auc < 0.7:
        warnings.append(
            "Positives and negatives are hardly told apart: the definition may be too"
            " vague for these samples."
        )
    if suspect:
        warnings.append(f"{len(suspect):,} samples may have the wrong label.")
    if truncated:
        warnings.append(
            f"{truncated:,} samples are longer than {MAX_CHARS:,} characters; the rest"
            " of each was not read."
        )
    return warnings
