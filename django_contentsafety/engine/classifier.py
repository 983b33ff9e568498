"""Train a category from samples, and measure it on samples it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from .background import load_background
from .calibration import fit_platt
from .cards import Card, make_card
from .errors import TrainingError, require
from .features import DIMENSIONS, MAX_CHARS
from .folds import assign_folds, group_texts
from .head import Head, TextScore, TokenWeight
from .samples import Sample
from .scoring import blend, logits, read
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

#: Different positives below which nothing is trained: the interval of a recall measured
#: on 20 is 40 points wide. With fewer negatives, ordinary texts stand in for them where
#: scores are calibrated.
MIN_SAMPLES = 20
#: The default threshold. Scores are calibrated for equally frequent labels.
THRESHOLD = 0.5

_FOLDS = 5
# Texts whose features are made between two reports of progress.
_AT_ONCE = 200
# Where the solver stops: scores are rounded far more coarsely.
_TOLERANCE = 1e-3
# Inverse strength of the L2 penalty.
_C = 10.0
# What the negatives and the background weigh in total, beside the positives' 1. In
# topics that were left out, more background cost recall, and none let in a third of
# all unrelated texts.
_NEGATIVES = 0.7
_BACKGROUND = 0.3
# Without negatives the background is all there is to be told from.
_BACKGROUND_ALONE = 1.0

# How long a dense vector is beside the n-grams, whose length is 1: the shorter, the
# less it is trusted. Of 2, 1 and 0.7 the last let in the fewest unrelated texts on the
# encoder's vectors, and found as much.
_LENGTHS = {FAST.name: 1.0, MINILM.name: 0.7}

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
    seed: int = 0,
    progress: Progress | None = None,
    tier: str = FAST.name,
) -> TrainedCategory:
    """Train a head; the same samples in the same order and seed give the same bytes.

    Every head is trained against ordinary texts, too, which `background` brings.
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
    data = _Data(texts, labels, report, tier_named(tier).name)
    folds = np.array(assign_folds(labels, groups, folds=_FOLDS, seed=seed))

    models = []
    for fold in range(_FOLDS):
        report("cross-validation", 0.3 + 0.1 * fold)
        models.append(_fit(data, folds, fold, seed))
    held_out = _HeldOut(data, folds, models)

    report("fit", 0.8)
    model = _fit(data, folds, None, seed)

    report("calibration", 0.9)
    head = _head(model, *held_out.calibration())

    report("card", 0.95)
    # Each fold is calibrated by the others' logits, so that none grades itself.
    heads = [
        _head(models[fold], *held_out.calibration(without=fold))
        for fold in range(_FOLDS)
    ]
    card = make_card(
        texts=texts,
        labels=labels,
        scores=held_out.scores(heads),
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
        self, texts: list[str], labels: list[bool], report: Progress, tier: str
    ) -> None:
        import numpy as np
        from scipy.sparse import csr_matrix, hstack, vstack

        self.tier = tier
        self.length = _LENGTHS[tier]
        self.readings = []
        for start in range(0, len(texts), _AT_ONCE):
            self.readings.append(read(texts[start : start + _AT_ONCE], tier))
            report("features", 0.3 * min(start + _AT_ONCE, len(texts)) / len(texts))
        blocks = [(one.features, _whole(one.parts)) for one in self.readings]
        background = load_background(tier).features
        blocks.append((background, list(range(len(background)))))
        rows = []
        for features, wanted in blocks:
            sparse = csr_matrix(
                (features.values.astype("float64"), features.indices, features.starts),
                shape=(len(features), DIMENSIONS),
            )
            dense = csr_matrix(features.dense * self.length)
            rows.append(hstack([sparse, dense]).tocsr()[wanted])
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
        background = _BACKGROUND if counts[1] else _BACKGROUND_ALONE
        totals = np.array([1.0, _NEGATIVES, background]) * counts[0]
        return np.asarray((totals / np.maximum(counts, 1))[kinds])


def _whole(parts: Sequence[Sequence[tuple[int, int]]]) -> list[int]:
    """The row of each text as a whole."""
    return [0, *accumulate(len(mine) for mine in parts)][:-1]


class _HeldOut:
    """Every row's logit by the model of its fold, which has not seen it."""

    def __init__(
        self, data: _Data, folds: NDArray[np.int64], models: Sequence[Head]
    ) -> None:
        import numpy as np

        self._folds = folds
        self._targets = data.targets
        self._logits = np.zeros(len(data.targets))
        # Of each sample: the rows of its windows as well.
        self._rows: list[list[float]] = []
        number = 0
        for reading in data.readings:
            found = logits(models, reading.features)
            row = 0
            for mine in reading.parts:
                by = folds[number]
                self._rows.append(found[row : row + len(mine), by].tolist())
                self._logits[number] = self._rows[-1][0]
                row += len(mine)
                number += 1
        ordinary = logits(models, load_background(data.tier).features)
        own = _background_folds(len(ordinary))
        self._logits[number:] = ordinary[np.arange(len(ordinary)), own]
        self._all_folds = np.concatenate((folds, own))
        negatives = number - int(data.targets.sum())
        self._used = np.ones(len(data.targets), dtype=bool)
        if negatives >= MIN_SAMPLES:
            self._used[number:] = False

    def calibration(self, without: int | None = None) -> tuple[float, float]:
        """Platt's slope and offset, by all folds or all but one."""
        used = (
            self._used if without is None else self._used & (self._all_folds != without)
        )
        return fit_platt(self._logits[used], self._targets[used])

    def scores(self, heads: Sequence[Head]) -> list[float]:
        """Each sample's score by the head of its fold."""
        return [
            blend(heads[fold], rows)[0]
            for fold, rows in zip(self._folds, self._rows, strict=True)
        ]


def _background_folds(count: int) -> NDArray[np.int64]:
    import numpy as np

    return np.arange(count) % _FOLDS


def _fit(data: _Data, folds: NDArray[np.int64], fold: int | None, seed: int) -> Head:
    """A head, not yet calibrated, of all rows but those of a fold."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    count = len(data.targets) - data.samples
    kept = np.concatenate((folds, _background_folds(count))) != fold
    matrix = data.matrix[kept]
    # A bucket that no sample touches has weight 0 in any case.
    used = np.unique(matrix.indices)
    # Liblinear's Newton method is deterministic and, on sparse rows this wide, some ten
    # times as fast as L-BFGS. That it shrinks the bias as well, calibration undoes.
    model = LogisticRegression(
        C=_C, solver="liblinear", random_state=seed, tol=_TOLERANCE
    )
    model.fit(matrix[:, used], data.targets[kept], sample_weight=data.weights(kept))
    found = np.zeros(data.matrix.shape[1])
    found[used] = model.coef_[0]
    sparse = found[:DIMENSIONS]
    # Weights of the vectors as they come, so that only training knows the length.
    dense = (found[DIMENSIONS:] * data.length).astype(np.float32)
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
