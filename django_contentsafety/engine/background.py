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
    "MINILM_STEPS",
    "SOURCES",
    "Background",
    "load_background",
]

#: The sets that the texts are from, in the order of their numbers.
SOURCES = ("civil", "clinc", "banking", "edos", "davidson")
#: The file holds whole numbers: so many to a unit.
COUNT_STEPS = 16
DENSE_STEPS = 127
#: The same of the vectors of the minilm tier, none of whose numbers is above 0.5.
MINILM_STEPS = 254


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

    data = files(__package__).joinpath("weights", "background.npz").read_bytes()
    with np.load(BytesIO(data), allow_pickle=False) as stored:
        sizes = stored["sizes"].astype(np.int64)
        # The low 16 bits; each row's words come first, and then its characters.
        words = stored["words"].astype(np.int64)
        indices = stored["indices"].astype(np.int32)
        counts = stored["counts"].astype(np.float64) / COUNT_STEPS
        dense = stored["dense"].astype(np.float32) / DENSE_STEPS
        sources = stored["sources"]
    if tier == MINILM.name:
        file = files(__package__).joinpath("weights", "background-minilm.npy")
        steps = np.load(BytesIO(file.read_bytes()), allow_pickle=False)
        if len(steps) != len(sizes):
            raise RuntimeError("The files of the background do not belong together.")
        dense = steps.astype(np.float32) / MINILM_STEPS
    starts = np.concatenate(([0], np.cumsum(sizes)))
    place = np.arange(len(indices)) - np.repeat(starts[:-1], sizes)
    indices[place >= np.repeat(words, sizes)] += 1 << 16
    values = counts * load_rarity()[indices]
    norms = np.sqrt(np.add.reduceat(values * values, starts[:-1]))
    lengths = np.sqrt((dense * dense).sum(axis=1, keepdims=True))
    return Background(
        features=Features(
            starts=starts,
            indices=indices,
            values=(values / np.repeat(norms, sizes)).astype(np.float32),
            dense=dense / np.where(lengths > 0, lengths, 1),
        ),
        sources=sources,
    )
