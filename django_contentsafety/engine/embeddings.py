"""The static word embeddings: a row a piece of a word, read from the disk when used.

`tools/distill` makes the files of ``weights`` from all-MiniLM-L6-v2. A process maps the
rows into memory, so what no text uses is never read, and workers share what is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from .errors import require
from .wordpiece import UNKNOWN, WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WIDTH", "Embeddings", "load_embeddings"]

#: Numbers in a vector.
WIDTH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embeddings:
    """The vector of piece `i` is ``scales[i] * rows[i]``."""

    wordpiece: WordPiece
    rows: NDArray[np.int8]
    scales: NDArray[np.float32]

    def sum(
        self, ids: NDArray[np.int32], times: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the sum of these pieces' vectors, each taken so many times."""
        import numpy as np

        weights = self.scales[ids] * times
        # In this order the rows stay bytes until they are summed.
        return np.asarray(weights @ self.rows[ids].astype(np.float32))


@lru_cache(maxsize=1)
def load_embeddings() -> Embeddings:
    """Return the table; the first call of a process opens it, in some 20 ms.

    Raise MissingDependency without numpy.
    """
    require("numpy", "numpy")
    import numpy as np

    folder = files(__package__) / "weights"
    words = (folder / "pieces.txt").read_text(encoding="utf-8").split("\n")[:-1]
    with as_file(folder / "embeddings.npy") as path:
        # A plain view of the mapped file: NumPy's own class of it takes rows slowly.
        rows = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    with as_file(folder / "embeddings-scales.npy") as path:
        scales = np.load(path, allow_pickle=False)
    pieces = {word: number for number, word in enumerate(words)}
    if UNKNOWN not in pieces or rows.shape != (len(pieces), WIDTH):
        raise RuntimeError("The files of the embedding table do not belong together.")
    return Embeddings(wordpiece=WordPiece(pieces), rows=rows, scales=scales)
