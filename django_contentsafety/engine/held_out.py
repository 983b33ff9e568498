"""What a category makes of texts that it has not seen, and its calibration by that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .background import load_background
from .calibration import fit_platt
from .head import Head, logit
from .scoring import Reading, blend, logits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FOLDS",
    "MIN_SAMPLES",
    "ORDINARY",
    "THRESHOLD",
    "HeldOut",
    "background_folds",
]

FOLDS = 5
#: Different positives below which nothing is trained: the interval of a recall measured
#: on 20 is 40 points wide. With fewer negatives, ordinary texts stand in for them where
#: scores are calibrated.
MIN_SAMPLES = 20
#: The default threshold. Scores are calibrated for equally frequent labels.
THRESHOLD = 0.5
#: The share of ordinary texts that may reach the threshold. Where the samples alone
#: would let more, all scores are lowered. In two draws of nine topics, that it was
#: chosen by, it let in 3.6 instead of 4.0 % of the texts of sources that were in no
#: background, and 1.6 instead of 3.0 % of those that were, for 0.01 and 0.05 of recall;
#: 0.0125 let in 3.2 and 0.8 %, for 0.04 and 0.13.
ORDINARY = 0.03


class Samples(Protocol):
    """The labeled texts: what was read of them, and the targets of all rows, the
    background's last."""

    readings: list[Reading]
    targets: NDArray[np.bool_]
    samples: int
    tier: str
    #: The background's rows that are used.
    ordinary: NDArray[np.intp]


def background_folds(count: int) -> NDArray[np.int64]:
    """The fold of each row of the background."""
    import numpy as np

    return np.arange(count) % FOLDS


class HeldOut:
    """Every row's logit by the model of its fold, which has not seen it."""

    def __init__(
        self, data: Samples, folds: NDArray[np.int64], models: Sequence[Head]
    ) -> None:
        import numpy as np

        self._folds = folds
        self._samples = data.samples
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
        ordinary = logits(models, load_background(data.tier).features)[data.ordinary]
        own = background_folds(len(ordinary))
        self._logits[number:] = ordinary[np.arange(len(ordinary)), own]
        self._all_folds = np.concatenate((folds, own))
        negatives = number - int(data.targets.sum())
        self._used = np.ones(len(data.targets), dtype=bool)
        if negatives >= MIN_SAMPLES:
            self._used[number:] = False

    def calibration(self, without: int | None = None) -> tuple[float, float]:
        """Slope and offset, by all folds or all but one.

        They are Platt's, but that the offset is lower where more than `ORDINARY` of all
        ordinary texts would reach the threshold.
        """
        import numpy as np

        slope, offset = self.platt(without)
        ordinary = self._logits[self._samples :]
        ordinary = ordinary[self._all_folds[self._samples :] != without]
        highest = float(np.quantile(ordinary, 1 - ORDINARY))
        return slope, min(offset, logit(THRESHOLD) - slope * highest)

    def platt(self, without: int | None = None) -> tuple[float, float]:
        """Platt's slope and offset by the samples alone."""
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
