"""Where training touches the engine's features: texts in, a matrix out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django_contentsafety.engine import features

__all__ = ["Matrix", "featurize"]


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

    def gradient(self, errors: Any) -> Any:
        """Return the transposed matrix times `errors`."""
        import numpy as np

        return np.concatenate([self.hashed.T @ errors, self.dense.T @ errors])


def featurize(texts: Sequence[str]) -> Matrix:
    """Return a row a text, as the engine sees the texts."""
    import numpy as np
    from scipy.sparse import csr_matrix

    rows = [features.featurize(text) for text in texts]
    starts = np.cumsum([0, *(len(row.indices) for row in rows)])
    hashed = csr_matrix(
        (
            np.concatenate([row.values for row in rows]).astype("float64"),
            np.concatenate([row.indices for row in rows]),
            starts,
        ),
        shape=(len(rows), features.DIMENSIONS),
    )
    return Matrix(hashed, np.zeros((len(rows), 0)))
