"""Which words moved a score: exact, because the logit is a sum over them."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from math import log
from zlib import crc32

from .embeddings import load_embeddings
from .features import BUCKETS, Word, read_word
from .head import Head, TextScore, TokenWeight
from .rarity import load_rarity
from .repeats import fold
from .tiers import MINILM

__all__ = ["explain"]

_TOKEN = re.compile(r"\S+")
# A word that moved the logit less did not move it.
_NOTHING = 1e-9


def explain(
    head: Head, text: str, limit: int = 10, found: TextScore | None = None
) -> list[TokenWeight]:
    """Return the words that moved the logit most, the strongest first.

    `found` is what the head said of the text, which is scored again without it.
    """
    if limit <= 0:
        return []
    result = head.analyze([text])[0] if found is None else found
    normalized = fold(text[result.start : result.end])
    chunks = list(_TOKEN.finditer(normalized.text))
    words = [read_word(match[0]) for match in chunks]
    counts = Counter(match[0] for match in chunks)
    weights = _sparse(head, [match[0] for match in chunks], words, counts)
    if head.tier == MINILM.name:
        from .encoder import shares

        dense = shares([match[0] for match in chunks], head.dense)
    else:
        dense = _dense(head, words)
    for number, share in enumerate(dense):
        weights[number] += share
    tokens = []
    for match, weight in zip(chunks, weights, strict=True):
        if abs(weight) > _NOTHING:
            start, end = normalized.span(*match.span())
            tokens.append(
                TokenWeight(
                    start=result.start + start, end=result.start + end, weight=weight
                )
            )
    tokens.sort(key=lambda token: (-abs(token.weight), token.start))
    return tokens[:limit]


def _sparse(
    head: Head, chunks: list[str], words: list[Word], counts: Counter[str]
) -> list[float]:
    """What each word's n-grams add, and a half of each pair that it is in."""
    import numpy as np

    rarity = load_rarity()
    squares = sum(
        _damp(counts[chunk]) ** 2 * float(np.dot(word.values, word.values))
        for chunk, word in dict(zip(chunks, words, strict=True)).items()
    )
    pairs = list(_pairs(words))
    times = Counter(bucket for _, _, bucket in pairs)
    squares += sum(float(rarity[bucket]) ** 2 for bucket in times)
    norm = squares**0.5 or 1.0
    found = []
    for chunk, word in zip(chunks, words, strict=True):
        values = head.weights[word.grams].astype(np.float64) @ word.values
        share = _damp(counts[chunk]) / counts[chunk]
        found.append(head.scale * share * float(values) / norm)
    for left, right, bucket in pairs:
        value = head.scale * float(head.weights[bucket]) * float(rarity[bucket])
        for number in (left, right):
            found[number] += value / norm / times[bucket] / 2
    return found


def _dense(head: Head, words: list[Word]) -> list[float]:
    """What each word's embeddings add."""
    import numpy as np

    table = load_embeddings()
    once = np.ones(1, dtype=np.float32)
    vectors = [
        table.sum(word.pieces, np.repeat(once, len(word.pieces))) for word in words
    ]
    if not vectors:
        return []
    whole = np.sum(vectors, axis=0)
    norm = float(np.sqrt(np.dot(whole, whole))) or 1.0
    return [float(vector @ head.dense) / norm for vector in vectors]


def _pairs(words: list[Word]) -> list[tuple[int, int, int]]:
    """The places of each pair of neighboring words, and its bucket."""
    spoken = [(number, word) for number, word in enumerate(words) if word.first]
    return [
        (i, j, crc32(right.first, left.last) % BUCKETS)
        for (i, left), (j, right) in pairwise(spoken)
    ]


def _damp(count: int) -> float:
    return 1 + log(count)
