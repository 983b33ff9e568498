"""Turn a text into a sparse vector, with no vocabulary and no state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

from .errors import require
from .normalize import Normalized, normalize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DIMENSIONS",
    "MAX_CHARS",
    "SCHEME",
    "Features",
    "Gram",
    "featurize",
    "grams",
]

#: Names everything a weight depends on: the normalizer, the n-grams, the hash. It
#: changes whenever one of them does, and an artifact of another scheme is refused.
SCHEME = "hashed-1"

#: Buckets for words and for characters each. Hashing to 2^14 or 2^18 made no
#: difference beyond noise in the measurements behind this engine.
BUCKETS = 65_536
DIMENSIONS = 2 * BUCKETS

#: Code points of a text that are read; what follows is left out and the result says
#: so. Near 30 ms of CPU.
MAX_CHARS = 20_000

_CHUNK = re.compile(r"\S+")
_WORD = re.compile(r"[^\W_]+")
_MEMO_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A sparse vector of unit length, or of none: bucket numbers, rising, and values.

    `truncated` tells that the text was longer than `MAX_CHARS`.
    """

    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Gram:
    """One n-gram: its bucket, and the half-open range of the normalized text it is."""

    bucket: int
    start: int
    end: int


def featurize(text: str) -> Features:
    """Return the vector of `text`: words 1-2 and, within words, characters 2-5.

    The counts are damped (1 + ln tf) and the whole is L2-normalized; a text without
    a visible character gives the empty vector. Raise MissingDependency without numpy.
    """
    require("numpy", "numpy")
    import numpy as np

    counts = Counter(_buckets(normalize(text[:MAX_CHARS]).text))
    indices = np.fromiter(counts.keys(), dtype=np.int32, count=len(counts))
    values = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
    order = np.argsort(indices)
    indices, values = indices[order], 1 + np.log(values[order])
    norm = float(np.sqrt(np.dot(values, values)))
    if norm:
        values /= np.float32(norm)
    return Features(
        indices=indices,
        values=values.astype(np.float32),
        truncated=len(text) > MAX_CHARS,
    )


def grams(normalized: Normalized) -> Iterator[Gram]:
    """Yield every n-gram behind the vector, with its place, for explanations."""
    for chunk in _CHUNK.finditer(normalized.text):
        start, end = chunk.span()
        places = _char_places(end - start)
        for bucket, (low, high) in zip(_char_buckets(chunk[0]), places, strict=True):
            # The padding on either side is no part of the text.
            yield Gram(bucket, start + max(low - 1, 0), min(start + high - 1, end))
    before: re.Match[str] | None = None
    for word in _WORD.finditer(normalized.text):
        yield Gram(_word_bucket(word[0]), *word.span())
        if before is not None:
            bucket = _word_bucket(before[0] + " " + word[0])
            yield Gram(bucket, before.start(), word.end())
        before = word


def _buckets(text: str) -> Iterator[int]:
    for chunk in text.split():
        if len(chunk) <= _MEMO_CHARS:
            yield from _memo_char_buckets(chunk)
        else:
            yield from _char_buckets(chunk)
    words = _WORD.findall(text)
    yield from map(_word_bucket, words)
    for left, right in pairwise(words):
        yield _word_bucket(left + " " + right)


def _word_bucket(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS


def _char_buckets(chunk: str) -> tuple[int, ...]:
    padded = f" {chunk} "
    return tuple(
        BUCKETS + crc32(padded[low:high].encode("utf-8", "surrogatepass")) % BUCKETS
        for low, high in _char_places(len(chunk))
    )


# Words recur; hashing each once halves the time. Bounded, and by short words only.
_memo_char_buckets = lru_cache(maxsize=16_384)(_char_buckets)


def _char_places(length: int) -> Iterator[tuple[int, int]]:
    for size in (2, 3, 4, 5):
        for low in range(length + 3 - size):
            yield low, low + size
