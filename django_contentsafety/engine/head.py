"""The trained part of a category: a few numbers a bucket, applied to a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from .features import MAX_CHARS, featurize, grams
from .normalize import normalize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Head", "TextScore", "TokenWeight", "sigmoid"]

_TOKEN = re.compile(r"\S+")
# e^-40 is far below what a float32 sum can tell from 0, and never overflows.
_LIMIT = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScore:
    """A calibrated score, 0..1, and whether the text was too long to be read whole."""

    score: float
    truncated: bool


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
    """A linear classifier over hashed features, with its calibration.

    The logit of a vector is `scale` * (weights · vector) + `bias`; the score is
    sigmoid(`slope` * logit + `offset`), Platt's scaling. The weights are the rounded
    ones that an artifact stores, so a stored head scores exactly as this one.
    """

    weights: NDArray[np.int8]  # one a bucket, features.DIMENSIONS of them
    scale: float
    bias: float
    slope: float  # above 0, so that the order of logits is the order of scores
    offset: float
    threshold: float  # 0..1; the score from which a text counts as positive

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return a score for each text, 0..1 and never NaN, for any str.

        A score is the probability of the category where positives and negatives are
        equally frequent. Only the first `features.MAX_CHARS` code points of a text
        count; `analyze` tells whether there were more.
        """
        return [result.score for result in self.analyze(texts)]

    def analyze(self, texts: Sequence[str]) -> list[TextScore]:
        """Return each text's score and whether its end was left out."""
        results = []
        for text in texts:
            features = featurize(text)
            logit = self.logit(features.indices, features.values)
            score = sigmoid(self.slope * logit + self.offset)
            results.append(TextScore(score=score, truncated=features.truncated))
        return results

    def logit(self, indices: NDArray[np.int32], values: NDArray[np.float32]) -> float:
        """Return the uncalibrated logit of a vector of `features.featurize`."""
        # Summed in double precision: a float32 sum depends on the processor.
        weights = self.weights[indices].astype("float64")
        return self.scale * float(weights @ values.astype("float64")) + self.bias

    def explain(self, text: str, limit: int = 10) -> list[TokenWeight]:
        """Return the words that moved the logit most, the strongest first.

        A word's weight is its share of every n-gram it takes part in, so the weights
        of all words and the bias add up to the logit. Words without any are left out.
        """
        import numpy as np

        features = featurize(text)
        normalized = normalize(text[:MAX_CHARS])
        found = list(grams(normalized))
        if not found or limit <= 0:
            return []
        times = Counter(gram.bucket for gram in found)
        value = dict(zip(features.indices.tolist(), features.values, strict=True))
        # Each n-gram is spread over its characters; a difference array keeps that
        # linear, and its running sum gives what each character carries.
        change = np.zeros(len(normalized.text) + 1)
        for gram in found:
            share = self.scale * float(self.weights[gram.bucket])
            share *= float(value[gram.bucket]) / times[gram.bucket]
            share /= gram.end - gram.start
            change[gram.start] += share
            change[gram.end] -= share
        sums = np.concatenate(([0.0], np.cumsum(np.cumsum(change[:-1]))))
        tokens = []
        for match in _TOKEN.finditer(normalized.text):
            weight = float(sums[match.end()] - sums[match.start()])
            if abs(weight) > 1e-9:
                start, end = normalized.span(*match.span())
                tokens.append(TokenWeight(start=start, end=end, weight=weight))
        tokens.sort(key=lambda token: (-abs(token.weight), token.start))
        return tokens[:limit]


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, strictly between 0 and 1."""
    return 1 / (1 + exp(-min(max(logit, -_LIMIT), _LIMIT)))
