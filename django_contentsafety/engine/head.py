"""The trained part of a category: a few numbers a feature, applied to a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .features import Features

__all__ = ["Head", "TextScore", "TokenWeight", "logit", "sigmoid"]

# e^-40 is far below what a float32 sum can tell from 0, and never overflows.
_LIMIT = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """A calibrated score, 0..1, and whether the text was too long to be read whole.

    `start` and `end` are the part of the text, in code points, that looks most like the
    category: the worst window of a long text, else all of it that is read.
    """

    score: float
    truncated: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWeight:
    """How far a word moved the logit: above 0 towards the category, below 0 away.

    `start` and `end` are a half-open range of the original text, in code points.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A linear classifier over the features of `features`, with its calibration.

    The logit of a row is `scale` * (weights · sparse part) + dense · dense part +
    `bias`; its score is sigmoid(`slope` * logit + `offset`), Platt's scaling. The
    weights are the rounded ones that an artifact stores, so a stored head scores
    exactly as this one.
    """

    weights: NDArray[np.int8]  # one a bucket, features.DIMENSIONS of them
    scale: float
    dense: NDArray[np.float32]  # its tier's width of them
    bias: float
    slope: float  # above 0, so that the order of logits is the order of scores
    offset: float
    threshold: float  # 0..1; the score from which a text counts as positive
    tier: str = "fast"  # whose features: a name of tiers.TIERS

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score for each text, 0..1 and never NaN, for any str.

        A score is the probability of the category where positives and negatives are
        equally frequent, or less, where too many ordinary texts would reach 0.5. Only
        the first `features.MAX_CHARS` code points of a text count; `analyze` tells
        whether there were more.
        """
        return [result.score for result in self.analyze(texts)]

    def analyze(self, texts: Sequence[str]) -> list[TextScore]:
        """Return each text's score, its worst part, and whether it was read whole."""
        from .scoring import analyze

        return [result for (result,) in analyze([self], texts)]

    def logits(self, features: Features) -> list[float]:
        """Return the uncalibrated logit of each row."""
        from .scoring import logits

        return [float(logit) for (logit,) in logits([self], features)]

    def explain(
        self, text: str, limit: int = 10, *, found: TextScore | None = None
    ) -> list[TokenWeight]:
        """Return the words that moved the logit most, the strongest first.

        The weights of all words and the bias add up to the logit: of the whole text, or
        of the worst window of a long one. Words without any are left out. `found` is
        what this head said of this text, where that is known: it spares the scoring.
        """
        from .explanations import explain

        return explain(self, text, limit, found)

    def calibrate(self, logit: float) -> float:
        """Return the score of a logit."""
        return sigmoid(self.slope * logit + self.offset)


def logit(score: float) -> float:
    """Return the logit of a probability between 0 and 1."""
    return log(score / (1 - score))


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, strictly between 0 and 1."""
    return 1 / (1 + exp(-min(max(logit, -_LIMIT), _LIMIT)))
