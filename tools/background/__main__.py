"""Make what custom categories are trained against, from public sets of texts.

    python -m tools.background DATA
    python -m tools.background DATA --tier minilm

DATA is a folder with the files that `tools/background/texts.py` names. Two files are
written: how rare each n-gram is, and the features of some ordinary texts. The same data
give the same bytes. For the minilm tier it is the same texts' vectors alone, in the
same order; another processor may round some of their bytes otherwise.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from django_contentsafety.engine.background import (
    COUNT_STEPS,
    DENSE_STEPS,
    MINILM_EVERY,
    MINILM_STEPS,
    SOURCES,
)
from django_contentsafety.engine.encoder import encode
from django_contentsafety.engine.features import (
    BUCKETS,
    DIMENSIONS,
    Features,
    featurize,
)
from django_contentsafety.engine.normalize import normalize
from django_contentsafety.engine.rarity import STEPS, load_rarity
from django_contentsafety.engine.tiers import FAST, MINILM, TIERS

from .texts import ordinary_texts

#: Texts of each source that rarity is counted in. F1 gains of more, 0.01 from 300 to
#: 500, but the wheel has a limit.
EACH = 400
#: Texts of each source that is there for variety alone.
OTHERS = 200
#: The sources that rarity is counted in, and how many texts of each.
COUNTED_IN = SOURCES[:5]
COUNTED = 4_000
WEIGHTS = Path(__file__).parents[2] / "django_contentsafety" / "engine" / "weights"


def main() -> None:
    """Write both files, and say their SHA-256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--tier", choices=TIERS, default=FAST.name)
    options = parser.parse_args()
    texts = ordinary_texts(options.data)
    kept = [texts[source][: _limit(source)] for source in SOURCES]
    chosen = [text for some in kept for text in some]
    if options.tier == MINILM.name:
        vectors = encode([normalize(text).text for text in chosen[::MINILM_EVERY]])
        steps = np.rint(vectors * MINILM_STEPS).clip(-127, 127).astype(np.int8)
        np.save(WEIGHTS / "background-minilm.npy", steps)
        _say("background-minilm.npy")
        return
    # Until it is known, everything is equally rare: bare counts are stored.
    np.save(WEIGHTS / "rarity.npy", np.full(DIMENSIONS, STEPS, dtype=np.uint8))
    load_rarity.cache_clear()
    counted = [text for source in COUNTED_IN for text in texts[source][:COUNTED]]
    sources = np.repeat(
        np.arange(len(SOURCES), dtype=np.uint8), [len(some) for some in kept]
    )
    _write(_features(chosen), sources)
    np.save(WEIGHTS / "rarity.npy", _rarity(_features(counted)))
    _say("rarity.npy")
    _say("background.npz")


def _say(name: str) -> None:
    data = (WEIGHTS / name).read_bytes()
    print(f"{sha256(data).hexdigest()}  {name}")


def _limit(source: str) -> int | None:
    if source == "own":
        return None
    return EACH if source in COUNTED_IN else OTHERS


def _features(texts: list[str]) -> Features:
    # Repeats stay unsettled: ordinary texts have too few to make the files anew.
    return featurize([normalize(text).text for text in texts])


def _matrix(features: Features) -> csr_matrix:
    """The bare counts: with every rarity 1, a row is them over one norm."""
    matrix = csr_matrix(
        (features.values.astype("float64"), features.indices, features.starts),
        shape=(len(features), DIMENSIONS),
    )
    # The smallest entry is an n-gram of a word that occurs once.
    rows = np.split(matrix.data, matrix.indptr[1:-1])
    least = np.array([row.min(initial=1) for row in rows])
    matrix.data /= np.repeat(least, np.diff(matrix.indptr))
    matrix.sum_duplicates()
    return matrix


def _rarity(features: Features) -> NDArray[np.uint8]:
    matrix = _matrix(features)
    texts = np.bincount(matrix.indices, minlength=DIMENSIONS)
    rarity = 1 + np.log((1 + len(features)) / (1 + texts))
    return np.rint(rarity * STEPS).clip(0, 255).astype(np.uint8)


def _write(features: Features, sources: NDArray[np.uint8]) -> None:
    matrix = _matrix(features)
    starts = matrix.indptr
    words = [
        int((matrix.indices[start:end] < BUCKETS).sum())
        for start, end in pairwise(starts)
    ]
    counts = np.rint(matrix.data * COUNT_STEPS).clip(1, 255)
    buckets = (matrix.indices % BUCKETS).astype(np.uint16)
    steps = np.diff(buckets, prepend=np.uint16(0))
    np.savez(
        WEIGHTS / "background.npz",
        sizes=np.diff(starts).astype(np.uint32),
        words=np.array(words, dtype=np.uint32),
        high=(steps >> 8).astype(np.uint8),
        low=(steps & 0xFF).astype(np.uint8),
        counts=counts.astype(np.uint8),
        dense=np.rint(features.dense * DENSE_STEPS).astype(np.int8),
        sources=sources,
    )


if __name__ == "__main__":
    main()
