"""Turn texts into vectors: hashed n-grams, with no vocabulary, and word embeddings.

One pass serves every head. What a word contributes depends on nothing but the word, so
it is made once for all texts of a batch and their windows (`words`), and a score can be
told apart by words exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .counts import count
from .embeddings import WIDTH
from .errors import require
from .words import BUCKETS, spread_out

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
    import numpy as np

    found = count(texts)
    sizes = (found.starts[1:] - found.starts[:-1])[found.parts]
    places = spread_out(found.starts[found.parts], sizes)
    values = found.rarity[places] * found.damped.repeat(sizes)
    starts = np.concatenate(([0], sizes.cumsum()))[found.ends]
    lengths = starts[1:] - starts[:-1]
    rows = np.arange(len(texts)).repeat(lengths)
    norms = np.sqrt(np.bincount(rows, values * values, minlength=len(texts)))
    norms[norms == 0] = 1
    return Features(
        starts=starts,
        indices=found.grams[places],
        values=(values / norms[rows]).astype(np.float32),
        dense=found.dense,
    )
