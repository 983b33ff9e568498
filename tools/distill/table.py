"""From the vectors of single pieces to a table of bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["project", "quantize", "weigh"]

#: Of smooth inverse frequency (Arora, Liang and Ma 2017, ICLR): a word's weight is
#: a / (a + its share of all words).
_SIF = 1e-4

Array = NDArray[np.float64]


def project(vectors: Array, width: int) -> Array:
    """Return the first principal components, centered.

    A component's sign is that with which its largest coefficient is above 0: the
    decomposition leaves it open.
    """
    centered = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centered.T @ centered)
    kept = directions[:, ::-1][:, :width]
    largest = np.abs(kept).argmax(axis=0)
    kept = kept * np.sign(kept[largest, np.arange(width)])
    return np.asarray(centered @ kept)


def weigh(vectors: Array) -> Array:
    """Weigh each vector by how rare its piece is, which Zipf's law tells by its rank.

    The vocabulary's order stands in for the rank.
    """
    share = 1 / np.arange(2, len(vectors) + 2)
    share /= share.sum()
    return np.asarray(vectors * (_SIF / (_SIF + share))[:, None])


def quantize(vectors: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return signed bytes and each row's scale, such that their product is the row."""
    scales = (np.abs(vectors).max(axis=1) / 127).astype("float32")
    divisors = np.where(scales > 0, scales, 1).astype("float64")
    rows = np.rint(vectors / divisors[:, None]).clip(-127, 127).astype("int8")
    return rows, scales
