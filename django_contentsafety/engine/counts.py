"""Which words stand in each text of a batch, how often, and beside which others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from .embeddings import WIDTH, load_embeddings
from .rarity import load_rarity
from .words import pair_up, read_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Counts", "count"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Texts as parts: each different word of a batch once, and each text's pairs.

    Part `i` has the buckets ``grams[starts[i]:starts[i + 1]]``, and `rarity` beside
    them; it may have none. Text `i` has the parts ``parts[ends[i]:ends[i + 1]]``, at
    least one, and `damped` beside them: 1 + ln(how often each occurs). `dense` is the
    unit vector of a text's words, 0 where none is known.
    """

    grams: NDArray[np.int32]
    rarity: NDArray[np.float32]
    starts: NDArray[np.int64]
    parts: NDArray[np.int64]
    damped: NDArray[np.float64]
    ends: NDArray[np.int64]
    dense: NDArray[np.float32]


def count(texts: Sequence[str]) -> Counts:
    """Return the words of these texts, which `repeats.fold` has folded."""
    import numpy as np

    numbers: dict[str, int] = {}
    rows = [text.split() for text in texts]
    counters = [Counter(row) for row in rows]
    chosen = [
        [numbers.setdefault(chunk, len(numbers)) for chunk in counts]
        for counts in counters
    ]
    words = read_words([*numbers])
    pairs = []
    for row in rows:
        places = map(numbers.__getitem__, row)
        spoken = [number for number in places if words.firsts[number]]
        # Sorted: a set's order is no part of a text.
        pairs.append(sorted(set(pair_up(words, spoken))))
    dense = np.zeros((len(texts), WIDTH), dtype=np.float32)
    parts: list[int] = []
    times: list[int] = []
    for number, (mine, counts) in enumerate(zip(chosen, counters, strict=True)):
        dense[number] = _embed([words.pieces[one] for one in mine], counts)
        # The pairs of a text are one more part, which occurs once.
        parts += [*mine, len(words) + number]
        times += [*counts.values(), 1]
    paired = np.array([*chain.from_iterable(pairs)], dtype=np.int32)
    begins = [*accumulate(map(len, pairs), initial=len(words.grams))]
    grams = np.concatenate((words.grams, paired))
    return Counts(
        grams=grams,
        rarity=load_rarity()[grams],
        starts=np.concatenate((words.starts[:-1], np.array(begins, dtype=np.int64))),
        parts=np.array(parts, dtype=np.int64),
        damped=1 + np.log(np.array(times, dtype=np.float64)),
        ends=np.array(
            [*accumulate((len(mine) + 1 for mine in chosen), initial=0)], dtype=np.int64
        ),
        dense=dense,
    )


def _embed(
    pieces: Sequence[Sequence[int]], counts: Counter[str]
) -> NDArray[np.float32] | int:
    """The unit vector of a text's words; 0 where none is known."""
    import numpy as np

    if not (flat := [*chain.from_iterable(pieces)]):
        return 0
    times = np.array([*counts.values()], dtype=np.float32)
    if len(flat) != len(pieces):
        times = times.repeat([*map(len, pieces)])
    vector = load_embeddings().sum(np.array(flat, dtype=np.int32), times)
    return vector / (float(np.sqrt(np.dot(vector, vector))) or 1)
