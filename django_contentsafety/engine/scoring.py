"""Score texts by any number of heads, which share one pass over the features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .counts import Counts, count
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
    rows, parts = _part(texts)
    features = featurize(rows)
    if tier == MINILM.name:
        features = replace(features, dense=_encoded(rows, parts))
    return Reading(features=features, parts=parts)


def _encoded(
    rows: list[str], parts: tuple[tuple[tuple[int, int], ...], ...]
) -> NDArray[np.float32]:
    """What the encoder says of rows, a whole text's after its windows'."""
    from .encoder import encode

    return encode(rows, [len(mine) for mine in parts])


def _part(
    texts: Sequence[str],
) -> tuple[list[str], tuple[tuple[tuple[int, int], ...], ...]]:
    """The folded texts, each followed by its windows, and where each of these was."""
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
    return rows, tuple(parts)


def analyze(heads: Sequence[Head], texts: Sequence[str]) -> Iterator[list[TextScore]]:
    """Yield, for each text, what each head says of it, in their order.

    Raise EngineError where the heads are of two tiers.
    """
    tier = _tier(heads)
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        rows, parted = _part(some)
        counts = count(rows)
        if tier == MINILM.name:
            counts = replace(counts, dense=_encoded(rows, parted))
        found = _logits(heads, counts).tolist()
        row = 0
        for text, parts in zip(some, parted, strict=True):
            mine = found[row : row + len(parts)]
            row += len(parts)
            truncated = len(text) > MAX_CHARS
            results = []
            for head, logits in zip(heads, zip(*mine, strict=True), strict=True):
                score, worst = blend(head, logits)
                start, end = parts[worst]
                results.append(
                    TextScore(score=score, truncated=truncated, start=start, end=end)
                )
            yield results


def _logits(heads: Sequence[Head], found: Counts) -> NDArray[np.float64]:
    """What `logits` returns of the same texts' features, to rounding.

    What a word adds to each head is summed once, however many texts and windows of the
    batch it stands in.
    """
    require("numpy", "numpy")
    import numpy as np

    weights, scales, dense, biases = _stack(tuple(heads))
    if not len(found.dense):
        return np.zeros((0, len(heads)))
    sizes = found.starts[1:] - found.starts[:-1]
    # One more, for a part without any may begin behind the last one; such a part has
    # the next one's number until it is set right.
    grams = np.append(found.grams, np.int32(0))
    rarity = np.append(found.rarity, 0.0)
    added = weights[grams] * rarity[:, None]
    begins = found.starts[:-1]
    of_parts = np.add.reduceat(added, begins)
    squares = np.add.reduceat(rarity * rarity, begins)
    of_parts[sizes == 0] = 0
    squares[sizes == 0] = 0
    damped, parts, rows = found.damped, found.parts, found.ends[:-1]
    norms = np.sqrt(np.add.reduceat(damped * damped * squares[parts], rows))
    norms[norms == 0] = 1
    sparse = np.add.reduceat(damped[:, None] * of_parts[parts], rows)
    sparse *= scales / norms[:, None]
    return np.asarray(sparse + found.dense.astype(np.float64) @ dense + biases)


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
