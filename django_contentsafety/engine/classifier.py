"""Train a category from samples, and measure it on samples it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from .background import load_background
from .cards import Card, make_card
from .errors import TrainingError, require
from .features import DIMENSIONS, MAX_CHARS
from .folds import assign_folds, group_texts
from .head import Head, TextScore, TokenWeight
from .held_out import FOLDS, MIN_SAMPLES, THRESHOLD, HeldOut, background_folds
from .ordinary import ordinary_rows
from .samples import Sample
from .scoring import Reading, read
from .tiers import FAST, MINILM, tier_named
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

# Texts whose features are made between two reports of progress.
_AT_ONCE = 200
# Where the solver stops: scores are rounded far more coarsely.
_TOLERANCE = 1e-3
# Inverse strength of the L2 penalty.
_C = 10.0
# What the negatives and the background weigh in total, beside the positives' 1. From
# 0.3 to 2 the background let in a third fewer unrelated texts and cost no F1; at 4 it
# did.
_NEGATIVES = 0.7
_BACKGROUND = 2.0

# How long a dense vector is beside the n-grams, whose length is 1: the shorter, the
# less it is trusted. Of 2, 1 and 0.7 the last let in the fewest unrelated texts on the
# encoder's vectors, and found as much.
_LENGTHS = {FAST.name: 1.0, MINILM.name: 0.7}

# How far the definition is trusted: the penalty holds its weight that much less. Over
# 16 draws of topics F1 rose by 0.016 with 20 samples of each label, by 0.004 with 50.
_TRUST = 2.0

#: Called with the phase (features, cross-validation, fit, calibration, card) and the
#: fraction of the whole work done, 0..1. What it raises ends the training.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedCategory:
    """A head and the card that says how well it does."""

    head: Head
    card: Card


def train(
    samples: Sequence[Sample],
    *,
    definition: str = "",
    seed: int = 0,
    progress: Progress | None = None,
    tier: str = FAST.name,
) -> TrainedCategory:
    """Train a head; the same samples in the same order and seed give the same bytes.

    Every head is trained against ordinary texts, too, which `background` brings. With
    a `definition` of the category in English it also learns from how near a text is to
    that, which helps where samples are few. `tier` is a name of `tiers.TIERS`.
    Raise TrainingError for samples that cannot make a category: fewer than 20
    different positives, one text with both labels, all the same text. Raise
    MissingDependency without scikit-learn.
    """
    require("sklearn", "scikit-learn")
    import numpy as np

    report = progress or _silent
    labels = [sample.is_positive for sample in samples]
    texts = [sample.text for sample in samples]
    report("features", 0.0)
    groups = group_texts(texts)
    _check(texts, labels, groups)
    data = _Data(texts, labels, definition, report, tier_named(tier).name)
    folds = np.array(assign_folds(labels, groups, folds=FOLDS, seed=seed))

    models = []
    for fold in range(FOLDS):
        report("cross-validation", 0.3 + 0.1 * fold)
        models.append(_fit(data, folds, fold, seed))
    held_out = HeldOut(data, folds, models)

    report("fit", 0.8)
    model = _fit(data, folds, None, seed)

    report("calibration", 0.9)
    head = _head(model, *held_out.calibration())

    report("card", 0.95)
    # Each fold is calibrated by the others' logits, so that none grades itself.
    heads = [
        _head(models[fold], *held_out.calibration(without=fold))
        for fold in range(FOLDS)
    ]
    card = make_card(
        texts=texts,
        labels=labels,
        scores=held_out.scores(heads),
        by_samples=_doubt(data, folds, seed),
        folds=folds.tolist(),
        groups=groups,
        explain=lambda index: _explain(heads[folds[index]], texts[index]),
        unrelated=measure_unrelated(head.score, THRESHOLD),
        truncated=sum(len(text) > MAX_CHARS for text in texts),
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
    mine = [group for group, label in zip(groups, labels, strict=True) if label]
    if len(set(mine)) < MIN_SAMPLES:
        raise TrainingError(
            f"There are {len(set(mine))} different positive samples among {len(mine)};"
            f" at least {MIN_SAMPLES} are needed.",
            remedy="Add positive samples; 50 of each label give a far steadier result.",
            code="too_few_positives",
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


class _Data:
    """The samples' features, the background's, and what each row weighs.

    The samples come first in `matrix`, a row each; the rows of the windows of long ones
    are in `readings`, since a score is theirs as well.
    """

    def __init__(
        self,
        texts: list[str],
        labels: list[bool],
        definition: str,
        report: Progress,
        tier: str,
    ) -> None:
        import numpy as np
        from scipy.sparse import csr_matrix, hstack, vstack

        self.tier = tier
        self.length = _LENGTHS[tier]
        # One more feature: how near the vector of a text is to the definition's.
        self.direction = _TRUST * read([definition], tier).features.dense[0]
        self.readings: list[Reading] = []
        for start in range(0, len(texts), _AT_ONCE):
            self.readings.append(read(texts[start : start + _AT_ONCE], tier))
            report("features", 0.3 * min(start + _AT_ONCE, len(texts)) / len(texts))
        blocks = [(one.features, _whole(one.parts)) for one in self.readings]
        dense = np.concatenate([f.dense[wanted] for f, wanted in blocks])
        self.ordinary = ordinary_rows(dense, np.array(labels), tier)
        blocks.append((load_background(tier).features, self.ordinary.tolist()))
        rows = []
        for features, wanted in blocks:
            sparse = csr_matrix(
                (features.values.astype("float64"), features.indices, features.starts),
                shape=(len(features), DIMENSIONS),
            )
            dense = csr_matrix(features.dense * self.length)
            near = csr_matrix((features.dense @ self.direction)[:, None])
            rows.append(hstack([sparse, dense, near]).tocsr()[wanted])
        self.matrix = vstack(rows).tocsr()
        # A bucket may occur twice in a row, which the solver would count apart.
        self.matrix.sum_duplicates()
        self.samples = len(texts)
        self.targets = np.zeros(self.matrix.shape[0], dtype=bool)
        self.targets[: len(texts)] = labels

    def weights(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What each kept row weighs, the positives 1 each."""
        import numpy as np

        kinds = np.where(self.targets, 0, 1)
        kinds[self.samples :] = 2
        kinds = kinds[kept]
        counts = np.bincount(kinds, minlength=3)
        totals = np.array([1.0, _NEGATIVES, _BACKGROUND]) * counts[0]
        return np.asarray((totals / np.maximum(counts, 1))[kinds])


def _whole(parts: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    """The row of each text as a whole."""
    return [0, *accumulate(len(mine) for mine in parts)][:-1]


def _doubt(data: _Data, folds: NDArray[np.int64], seed: int) -> list[float] | None:
    """Each sample's score by the other samples alone; None where negatives are few.

    Ordinary texts pull the scores of positives down, and so hide one that is labeled
    as a negative.
    """
    if data.samples - int(data.targets.sum()) < MIN_SAMPLES:
        return None
    models = [_fit(data, folds, fold, seed, alone=True) for fold in range(FOLDS)]
    held_out = HeldOut(data, folds, models)
    return held_out.scores(
        [_head(models[fold], *held_out.platt(without=fold)) for fold in range(FOLDS)]
    )


def _fit(
    data: _Data,
    folds: NDArray[np.int64],
    fold: int | None,
    seed: int,
    *,
    alone: bool = False,
) -> Head:
    """A head, not yet calibrated, of all rows but those of a fold.

    It is of the samples alone, if so asked for.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    count = len(data.targets) - data.samples
    kept = np.concatenate((folds, background_folds(count))) != fold
    if alone:
        kept[data.samples :] = False
    matrix = data.matrix[kept]
    # A bucket that no sample touches has weight 0 in any case.
    used = np.flatnonzero(np.bincount(matrix.indices))
    # Liblinear's Newton method is deterministic and, on sparse rows this wide, some ten
    # times as fast as L-BFGS. That it shrinks the bias as well, calibration undoes.
    model = LogisticRegression(
        C=_C, solver="liblinear", random_state=seed, tol=_TOLERANCE
    )
    model.fit(matrix[:, used], data.targets[kept], sample_weight=data.weights(kept))
    found = np.zeros(data.matrix.shape[1])
    found[used] = model.coef_[0]
    sparse = found[:DIMENSIONS]
    # Weights of the vectors as they come: only training knows length and definition.
    dense = found[DIMENSIONS:-1] * data.length + found[-1] * data.direction
    dense = dense.astype(np.float32)
    scale = float(np.abs(sparse).max(initial=0.0)) / 127 or 1.0
    weights = np.rint(sparse / scale).astype(np.int8)
    weights.flags.writeable = False
    dense.flags.writeable = False
    return Head(
        weights=weights,
        scale=scale,
        dense=dense,
        bias=float(model.intercept_[0]),
        slope=1.0,
        offset=0.0,
        threshold=THRESHOLD,
        tier=data.tier,
    )


def _head(model: Head, slope: float, offset: float) -> Head:
    return replace(model, slope=slope, offset=offset)


def _explain(head: Head, text: str) -> list[TokenWeight]:
    return [
        TokenWeight(start=token.start, end=token.end, weight=round(token.weight, 4))
        for token in head.explain(text)
    ]
