"""Score texts by any number of heads, which share one pass over the features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .errors import EngineError, require
from .features import MAX_CHARS, Features, featurize
from .head import Head, TextScore
from .normalize import Normalized
from .repeats import fold
from .tiers import FAST, MINILM
from .windows import windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Reading", "analyze", "blend", "logits", "read"]

# Texts that are in memory at a time.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """Texts as heads see them: a row for each whole text and each window of a long one.

    ``parts[i]`` are the ranges of text `i`, in code points of the original: the whole
    first, then its windows, if any. Their rows follow each other in the same order.
    """

    features: Features
    parts: tuple[tuple[tuple[int, int], ...], ...]


def read(texts: Sequence[str], tier: str = FAST.name) -> Reading:
    """Return the features of the texts and their windows, as heads of the tier do."""
    rows: list[str] = []
    parts = []
    for text in texts:
        normalized = fold(text[:MAX_CHARS])
        rows.append(normalized.text)
        mine = [(0, min(len(text), MAX_CHARS))]
        ranges = windows(normalized.text)
        if len(ranges) > 1:
            rows += [normalized.text[start:end] for start, end in ranges]
            mine += [_place(normalized, *part) for part in ranges]
        parts.append(tuple(mine))
    features = featurize(rows)
    if tier == MINILM.name:
        from .encoder import encode

        dense = encode(rows, [len(mine) for mine in parts])
        features = replace(features, dense=dense)
    return Reading(features=features, parts=tuple(parts))


def analyze(heads: Sequence[Head], texts: Sequence[str]) -> Iterator[list[TextScore]]:
    """Yield, for each text, what each head says of it, in their order.

    Raise EngineError where the heads are of two tiers.
    """
    tier = _tier(heads)
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        reading = read(some, tier)
        found = logits(heads, reading.features).tolist()
        row = 0
        for text, parts in zip(some, reading.parts, strict=True):
            mine = found[row : row + len(parts)]
            row += len(parts)
            results = []
            for number, head in enumerate(heads):
                score, worst = blend(head, [one[number] for one in mine])
                start, end = parts[worst]
                results.append(
                    TextScore(
                        score=score,
                        truncated=len(text) > MAX_CHARS,
                        start=start,
                        end=end,
                    )
                )
            yield results


def blend(head: Head, found: Sequence[float]) -> tuple[float, int]:
    """Return a text's score by its rows' logits, and which row looks worst.

    It is the mean of the whole text's score and the worst window's.
    """
    if len(found) == 1:
        return head.calibrate(found[0]), 0
    worst = max(range(1, len(found)), key=found.__getitem__)
    return (head.calibrate(found[0]) + head.calibrate(found[worst])) / 2, worst


def logits(heads: Sequence[Head], features: Features) -> NDArray[np.float64]:
    """Return a row of logits for each row of the features, one a head."""
    require("numpy", "numpy")
    import numpy as np

    weights, scales, dense, biases = _stack(tuple(heads))
    # Summed in double precision: a float32 sum depends on the processor.
    found = features.dense.astype(np.float64) @ dense + biases
    for number in range(len(features)):
        indices, values = features.row(number)
        found[number] += (values.astype(np.float64) @ weights[indices]) * scales
    return np.asarray(found)


def _tier(heads: Sequence[Head]) -> str:
    tiers = {head.tier for head in heads} or {FAST.name}
    if len(tiers) > 1:
        raise EngineError(
            "The categories are of two tiers, whose features differ.",
            remedy="Score those of each tier by themselves.",
            code="two_tiers",
        )
    return tiers.pop()


@lru_cache(maxsize=8)
def _stack(heads: tuple[Head, ...]) -> Any:
    """The heads' numbers side by side; some 130 kB a head."""
    import numpy as np

    weights = np.stack([head.weights for head in heads], axis=1)
    return (
        weights,
        np.array([head.scale for head in heads]),
        np.stack([head.dense for head in heads], axis=1).astype(np.float64),
        np.array([head.bias for head in heads]),
    )


def _place(normalized: Normalized, start: int, end: int) -> tuple[int, int]:
    # The ends of a window are white space, which is nothing to point at.
    part = normalized.text[start:end]
    start += len(part) - len(part.lstrip())
    return normalized.span(start, max(start, start + len(part.strip())))
