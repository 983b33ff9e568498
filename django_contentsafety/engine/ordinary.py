"""Which ordinary texts are ordinary for a category.

The background holds texts of every kind, and some may be of the very kind that a site
makes a category of. Trained against its own kind a category would let it pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .background import load_background, unit
from .tiers import FAST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ordinary_rows"]

# A text is judged by so many of the samples, the nearest ones.
_NEAREST = 3
# Left out is what is nearer to the positives than this share of them is to the others.
_SHARE = 0.5
# However wide a category is, so much of the background is left at least.
_MOST = 0.25


def ordinary_rows(
    dense: NDArray[np.float32], labels: NDArray[np.bool_], tier: str = FAST.name
) -> NDArray[np.intp]:
    """Return the numbers of the background's rows that a category is trained against.

    `dense` are the samples' unit vectors in the tier, `labels` which are positive. A
    row is left out that is as near to the positives as they are to each other, and
    nearer than to the negatives, if there are any; a quarter of the rows at most.
    """
    import numpy as np

    background = load_background(tier).features.dense
    # What all texts have in common tells nothing of likeness.
    middle = background.mean(axis=0)
    background, dense = unit(background - middle), unit(dense - middle)
    positives, negatives = dense[labels], dense[~labels]
    among = positives @ positives.T
    np.fill_diagonal(among, -1)
    bound = np.quantile(_nearness(among), _SHARE)
    nearness = _nearness(background @ positives.T)
    bound = max(bound, np.quantile(nearness, 1 - _MOST))
    is_alike = nearness > bound
    if len(negatives) >= _NEAREST:
        is_alike &= nearness > _nearness(background @ negatives.T)
    return np.flatnonzero(~is_alike)


def _nearness(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each row the mean of its largest ones."""
    import numpy as np

    return np.asarray(np.sort(cosines, axis=1)[:, -_NEAREST:].mean(axis=1))
