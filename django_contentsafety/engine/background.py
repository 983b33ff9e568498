"""Features of ordinary texts, which every custom category is trained against.

Fifty positives and fifty negatives say little of all the other texts that a site
receives. `tools/background` makes the file; no text can be read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

from .errors import require
from .features import Features
from .rarity import load_rarity
from .tiers import FAST, MINILM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "COUNT_STEPS",
    "DENSE_STEPS",
    "MINILM_EVERY",
    "MINILM_STEPS",
    "SOURCES",
    "Background",
    "load_background",
    "unit",
]

#: The sets that the texts are from, in the order of their numbers.
SOURCES = (
    "civil",
    "clinc",
    "banking",
    "edos",
    "davidson",
    "sms",
    "surge",
    "toxigen",
    "own",
)
#: The file holds whole numbers: so many to a unit.
COUNT_STEPS = 16
DENSE_STEPS = 48
#: The same of the vectors of the minilm tier, of which every third row has one: a
#: vector is right to 0.996 (its cosine), and the package stays below its ten megabytes.
MINILM_STEPS, MINILM_EVERY = 64, 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """The rows, and the number of each one's source in `SOURCES`."""

    features: Features
    sources: NDArray[np.uint8]


@lru_cache(maxsize=2)
def load_background(tier: str = FAST.name) -> Background:
    """Return the background as heads of the tier see it; training alone needs it."""
    require("numpy", "numpy")
    import numpy as np

    with np.load(BytesIO(_file("background.npz")), allow_pickle=False) as stored:
        sizes = stored["sizes"].astype(np.int64)
        # Each row has words first, and then characters. Stored are the steps from
        # one bucket to the next, in 16 bits, the high byte apart: it packs far better.
        words = stored["words"].astype(np.int64)
        steps = stored["high"].astype(np.uint16) << 8 | stored["low"]
        indices = np.cumsum(steps, dtype=np.uint16).astype(np.int32)
        counts = stored["counts"].astype(np.float64) / COUNT_STEPS
        dense = stored["dense"].astype(np.float32) / DENSE_STEPS
        sources = stored["sources"]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    place = np.arange(len(indices)) - np.repeat(starts[:-1], sizes)
    indices[place >= np.repeat(words, sizes)] += 1 << 16
    values = counts * load_rarity()[indices]
    norms = np.sqrt(np.add.reduceat(values * values, starts[:-1]))
    features = Features(
        starts=starts,
        indices=indices,
        values=(values / np.repeat(norms, sizes)).astype(np.float32),
        dense=unit(dense),
    )
    whole = Background(features=features, sources=sources)
    return _encoded(whole) if tier == MINILM.name else whole


def _encoded(whole: Background) -> Background:
    """The rows that the encoder has read, with its vectors."""
    import numpy as np

    vectors = np.load(BytesIO(_file("background-minilm.npy")), allow_pickle=False)
    rows = range(0, len(whole.features), MINILM_EVERY)
    if len(vectors) != len(rows):
        raise RuntimeError("The files of the background do not belong together.")
    indices, values = zip(*map(whole.features.row, rows), strict=True)
    return Background(
        features=Features(
            starts=np.concatenate(([0], np.cumsum([*map(len, indices)]))),
            indices=np.concatenate(indices),
            values=np.concatenate(values),
            dense=unit(vectors.astype(np.float32) / MINILM_STEPS),
        ),
        sources=whole.sources[::MINILM_EVERY],
    )


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1, or 0 where they were."""
    import numpy as np

    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))


def _file(name: str) -> bytes:
    return files(__package__).joinpath("weights", name).read_bytes()
