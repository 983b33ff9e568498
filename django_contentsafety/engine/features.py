"""Turn texts into vectors: hashed n-grams, with no vocabulary, and word embeddings.

One pass serves every head. What a word contributes depends on nothing but the word, so
it is made once for all texts of a batch and their windows (`words`), and a score can be
told apart by words exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING

from .embeddings import WIDTH, load_embeddings
from .errors import require
from .rarity import load_rarity
from .words import BUCKETS, Words, pair_up, read_words, spread_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BUCKETS",
    "DIMENSIONS",
    "MAX_CHARS",
    "SCHEME",
    "WIDTH",
    "Features",
    "featurize",
]

#: Names everything a weight depends on: the normalizer, the n-grams, the hash, the
#: embeddings. It changes whenever one of them does, and an artifact of another scheme
#: is refused.
SCHEME = "hashed-3 static-1"

DIMENSIONS = 2 * BUCKETS

#: Code points of a text that are read; what follows is left out and the result says
#: so. Near 30 ms of CPU.
MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A row a text: a sparse vector over the buckets, and a dense one.

    Row `i` has the buckets ``indices[starts[i]:starts[i + 1]]`` with `values` beside
    them; a bucket may occur more than once, and the values of its places add up. Both
    parts of a row have unit length, or none where the text has nothing visible, or no
    word that is known.
    """

    starts: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    dense: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The buckets and the values of a row."""
        mine = slice(self.starts[index], self.starts[index + 1])
        return self.indices[mine], self.values[mine]


def featurize(texts: Sequence[str]) -> Features:
    """Return a row for each text, which `repeats.fold` has folded.

    A word's n-grams count 1 + ln(how often it occurs), times their rarity; a pair of
    neighboring words counts once. Raise MissingDependency without numpy.
    """
    require("numpy", "numpy")

    numbers: dict[str, int] = {}
    chosen: list[int] = []
    times: list[int] = []  # how often each of these occurs in its row
    ends = [0]  # how many of them there are up to a row's end
    rows = [text.split() for text in texts]
    for row in rows:
        counts = Counter(row)
        chosen += [numbers.setdefault(chunk, len(numbers)) for chunk in counts]
        times += counts.values()
        ends.append(len(times))
    words = read_words([*numbers])
    pairs = []
    for row in rows:
        places = map(numbers.__getitem__, row)
        spoken = [number for number in places if words.firsts[number]]
        # Sorted: a set's order is no part of a text.
        pairs.append(sorted(set(pair_up(words, spoken))))
    indices, values, starts = _sparse(words, chosen, times, ends, pairs)
    return Features(
        starts=starts,
        indices=indices,
        values=values,
        dense=_dense(words, chosen, times, ends),
    )


def _sparse(
    words: Words,
    chosen: Sequence[int],
    times: Sequence[int],
    ends: Sequence[int],
    pairs: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
    """The buckets and the values of the rows, and where each begins."""
    import numpy as np

    # The pairs of a row are one more word, which stands at its end and counts once.
    parts: list[int] = []
    counts: list[int] = []
    for number, (start, end) in enumerate(pairwise(ends)):
        parts += [*chosen[start:end], len(words) + number]
        counts += [*times[start:end], 1]
    paired = np.array([*chain.from_iterable(pairs)], dtype=np.int32)
    begins = np.array(
        [*accumulate(map(len, pairs), initial=len(words.grams))], dtype=np.int64
    )
    begins = np.concatenate((words.starts[:-1], begins))
    sizes = (begins[1:] - begins[:-1])[parts]
    places = spread_out(begins[parts], sizes)
    grams = np.concatenate((words.grams, paired))[places]
    damped = 1 + np.log(np.array(counts, dtype=np.float64))
    values = load_rarity()[grams] * damped.repeat(sizes)
    # Each row has one part more than it has words.
    row_sizes = np.concatenate(([0], sizes.cumsum()))
    row_starts = row_sizes[[end + number for number, end in enumerate(ends)]]
    row_sizes = row_starts[1:] - row_starts[:-1]
    rows = np.arange(len(pairs)).repeat(row_sizes)
    norms = np.sqrt(np.bincount(rows, values * values, minlength=len(pairs)))
    norms[norms == 0] = 1
    return grams, (values / norms[rows]).astype(np.float32), row_starts


def _dense(
    words: Words, chosen: Sequence[int], times: Sequence[int], ends: Sequence[int]
) -> NDArray[np.float32]:
    """A unit vector a row; 0 where no word is known."""
    import numpy as np

    table = load_embeddings()
    dense = np.zeros((len(ends) - 1, WIDTH), dtype=np.float32)
    for number, (start, end) in enumerate(pairwise(ends)):
        mine = [words.pieces[one] for one in chosen[start:end]]
        if pieces := [*chain.from_iterable(mine)]:
            lengths = [len(one) for one in mine]
            weights = np.array(times[start:end], dtype=np.float32).repeat(lengths)
            vector = table.sum(np.array(pieces, dtype=np.int32), weights)
            dense[number] = vector / (float(np.sqrt(np.dot(vector, vector))) or 1)
    return dense
