"""Which words moved a score: exact, because the logit is a sum over them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import TYPE_CHECKING

from .embeddings import load_embeddings
from .head import Head, TextScore, TokenWeight
from .rarity import load_rarity
from .repeats import fold
from .tiers import MINILM
from .words import Words, pair_up, read_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EXPLAIN_FROM", "EXPLAIN_FROM_SEVERITY", "explain"]

#: A text is explained from this score on; below it an explanation would be noise.
EXPLAIN_FROM = 0.2
#: The same of a built-in category, whose scores of ordinary texts are higher.
EXPLAIN_FROM_SEVERITY = 2

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
    part = _read(text[result.start : result.end])
    tokens = [
        TokenWeight(start=result.start + start, end=result.start + end, weight=weight)
        for (start, end), weight in zip(part.spans, _weigh(head, part), strict=True)
        if abs(weight) > _NOTHING
    ]
    tokens.sort(key=lambda token: (-abs(token.weight), token.start))
    return tokens[:limit]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """A part of a text as every head sees it."""

    spans: list[tuple[int, int]]  # of its tokens, in the part as it was given
    tokens: list[str]
    numbers: list[int]  # of each token's word
    words: Words
    owners: NDArray[np.int64]  # the word of each n-gram
    values: NDArray[np.float64]  # what an n-gram counts each time it occurs
    pairs: list[tuple[int, int, int]]  # two neighboring tokens, and their bucket
    paired: dict[int, float]  # what the two of them count, by bucket
    pieces: NDArray[np.float32]  # a row a piece of a word
    piece_owners: NDArray[np.int64]


# The heads that explain a text do it one after the other.
@lru_cache(maxsize=4)
def _read(text: str) -> _Part:
    import numpy as np

    normalized = fold(text)
    tokens = list(_TOKEN.finditer(normalized.text))
    chunks: dict[str, int] = {}
    numbers = [chunks.setdefault(token[0], len(chunks)) for token in tokens]
    words = read_words([*chunks])
    counts = np.bincount(numbers, minlength=len(words)).astype(np.float64)
    rarity = load_rarity()

    owners = np.arange(len(words)).repeat(np.diff(words.starts))
    values = rarity[words.grams].astype(np.float64)
    squares = values * (1 + np.log(counts))[owners]
    spoken = [place for place, n in enumerate(numbers) if words.firsts[n]]
    buckets = pair_up(words, [numbers[place] for place in spoken])
    times = Counter(buckets)
    rare = {bucket: float(rarity[bucket]) for bucket in times}
    length = squares @ squares + sum(value**2 for value in rare.values())
    norm = float(length) ** 0.5 or 1.0

    flat = [piece for pieces in words.pieces for piece in pieces]
    piece_owners = np.arange(len(words)).repeat([len(own) for own in words.pieces])
    table = load_embeddings()
    rows = table.rows[flat].astype(np.float32) * table.scales[flat][:, None]
    whole = counts[piece_owners].astype(np.float32) @ rows
    rows /= float(np.sqrt(np.dot(whole, whole))) or 1.0
    return _Part(
        spans=[normalized.span(*token.span()) for token in tokens],
        tokens=[token[0] for token in tokens],
        numbers=numbers,
        words=words,
        owners=owners,
        # What occurs twice counts less each time.
        values=squares / counts[owners] / norm,
        pairs=[*zip(spoken, spoken[1:], buckets, strict=False)],
        paired={bucket: rare[bucket] / norm / times[bucket] for bucket in times},
        pieces=rows,
        piece_owners=piece_owners,
    )


def _weigh(head: Head, part: _Part) -> list[float]:
    """What each token's n-grams and embeddings add, and a half of each pair's."""
    import numpy as np

    size = len(part.words)
    sparse = head.weights[part.words.grams] * part.values * head.scale
    words = np.bincount(part.owners, sparse, minlength=size)
    if head.tier != MINILM.name:
        dense = part.pieces @ head.dense
        words += np.bincount(part.piece_owners, dense, minlength=size)
    found: list[float] = words[part.numbers].tolist()
    if head.tier == MINILM.name:
        from .encoder import shares

        # What the encoder says of a word goes by where it stands.
        found = [*map(add, found, shares(part.tokens, head.dense))]
    for left, right, bucket in part.pairs:
        share = head.scale * float(head.weights[bucket]) * part.paired[bucket] / 2
        found[left] += share
        found[right] += share
    return found
