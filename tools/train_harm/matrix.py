"""Where training touches the engine's features: texts in, a matrix out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django_contentsafety.engine import features
from django_contentsafety.engine.repeats import fold
from django_contentsafety.engine.tiers import FAST, MINILM

from .vectors import vectors

__all__ = ["Matrix", "featurize"]

# Texts whose features are made at a time.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A row a text: `hashed` is a scipy CSR matrix, `dense` a plain one beside it."""

    hashed: Any
    dense: Any

    def __getitem__(self, rows: Any) -> Matrix:
        return Matrix(self.hashed[rows], self.dense[rows])

    @property
    def shape(self) -> tuple[int, int]:
        return self.hashed.shape[0], self.hashed.shape[1] + self.dense.shape[1]

    def __matmul__(self, weights: Any) -> Any:
        width = self.hashed.shape[1]
        return self.hashed @ weights[:width] + self.dense @ weights[width:]

    def used(self) -> tuple[Matrix, Any]:
        """Return the matrix without empty columns, and which columns it has."""
        import numpy as np

        width = self.hashed.shape[1]
        filled = np.unique(self.hashed.indices)
        columns = np.append(filled, np.arange(width, self.shape[1]))
        return Matrix(self.hashed[:, filled], self.dense), columns

    def gradient(self, errors: Any) -> Any:
        """Return the transposed matrix times `errors`."""
        import numpy as np

        return np.concatenate([self.hashed.T @ errors, self.dense.T @ errors])


def featurize(texts: Sequence[str], tier: str = FAST.name) -> Matrix:
    """Return a row for each whole text, as the tier sees it; no windows."""
    import numpy as np
    from scipy.sparse import csr_matrix, vstack

    hashed, dense = [], []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        folded = [fold(text[: features.MAX_CHARS]).text for text in some]
        found = features.featurize(folded)
        if tier == MINILM.name:
            found = replace(found, dense=vectors(folded))
        hashed.append(
            csr_matrix(
                (found.values.astype("float64"), found.indices, found.starts),
                shape=(len(found), features.DIMENSIONS),
            )
        )
        dense.append(found.dense.astype("float64"))
    matrix = vstack(hashed).tocsr()
    # A bucket may occur twice in a row.
    matrix.sum_duplicates()
    return Matrix(matrix, np.concatenate(dense))
