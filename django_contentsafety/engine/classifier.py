"""Train a category from samples, and measure it on samples it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .calibration import fit_platt
from .cards import Card, make_card
from .errors import TrainingError, require
from .features import DIMENSIONS, featurize
from .folds import assign_folds, group_texts
from .head import Head, TextScore, TokenWeight, sigmoid
from .samples import Sample
from .unrelated import measure_unrelated

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
# Inverse strength of the L2 penalty.
_C = 10.0

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
    models = []
    for fold in range(_FOLDS):
        report("cross-validation", 0.3 + 0.1 * fold)
        held_out = folds == fold
        models.append(_fit(matrix[~held_out], targets[~held_out], seed))
        logits[held_out] = _logits(models[fold], matrix[held_out])

    report("fit", 0.8)
    model = _fit(matrix, targets, seed)

    report("calibration", 0.9)
    head = _head(model, *fit_platt(logits, targets))

    report("card", 0.95)
    # Each fold is calibrated by the others' logits, so that none grades itself.
    heads = [
        _head(models[fold], *fit_platt(logits[folds != fold], targets[folds != fold]))
        for fold in range(_FOLDS)
    ]
    seen_by = [heads[fold] for fold in folds]
    card = make_card(
        texts=texts,
        labels=labels,
        scores=[
            sigmoid(own.slope * float(logit) + own.offset)
            for own, logit in zip(seen_by, logits, strict=True)
        ],
        folds=folds.tolist(),
        groups=groups,
        explain=lambda index: _explain(seen_by[index], texts[index]),
        unrelated=measure_unrelated(head.score, THRESHOLD),
        truncated=truncated,
        threshold=THRESHOLD,
        seed=seed,
    )
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
    # Liblinear's Newton method is deterministic and, on sparse rows this wide, some ten
    # times as fast as L-BFGS. That it shrinks the bias as well, calibration undoes.
    model = LogisticRegression(
        C=_C, class_weight="balanced", solver="liblinear", random_state=seed
    )
    model.fit(matrix[:, used], targets)
    found = model.coef_[0]
    scale = float(np.abs(found).max(initial=0.0)) / 127 or 1.0
    weights = np.zeros(DIMENSIONS, dtype=np.int8)
    weights[used] = np.rint(found / scale).astype(np.int8)
    weights.flags.writeable = False
    return _Model(weights=weights, scale=scale, bias=float(model.intercept_[0]))


def _logits(model: _Model, matrix: Any) -> Any:
    return model.scale * (matrix @ model.weights.astype("float64")) + model.bias


def _head(model: _Model, slope: float, offset: float) -> Head:
    return Head(
        weights=model.weights,
        scale=model.scale,
        bias=model.bias,
        slope=slope,
        offset=offset,
        threshold=THRESHOLD,
    )


def _explain(head: Head, text: str) -> list[TokenWeight]:
    return [
        TokenWeight(start=token.start, end=token.end, weight=round(token.weight, 4))
        for token in head.explain(text)
    ]
