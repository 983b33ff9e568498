"""From a fit to a head that the engine stores: whole numbers of one byte."""

from __future__ import annotations

from django_contentsafety.engine.features import DIMENSIONS
from django_contentsafety.engine.harm import DETECTED_FROM, HarmHead
from django_contentsafety.engine.head import Head, sigmoid
from django_contentsafety.engine.tiers import FAST

from .fit import Fit

__all__ = ["KEPT", "rounded"]

#: Weights of a head that are kept, the largest: five heads have to fit half a megabyte.
KEPT = 80_000


def rounded(
    fit: Fit,
    slope: float,
    offset: float,
    severities: list[float],
    tier: str = FAST.name,
) -> HarmHead:
    """Return the head; `severities` are logits of the fit, before calibration."""
    import numpy as np

    found, dense = fit.weights[:DIMENSIONS].copy(), fit.weights[DIMENSIONS:]
    least = np.sort(np.abs(found))[-KEPT]
    found[np.abs(found) < least] = 0
    scale = float(np.abs(found).max()) / 127 or 1.0
    levels = [slope * logit + offset for logit in severities]
    head = Head(
        weights=np.rint(found / scale).astype(np.int8),
        scale=scale,
        dense=dense.astype(np.float32),
        bias=fit.bias,
        slope=slope,
        offset=offset,
        threshold=sigmoid(levels[DETECTED_FROM - 1]),
        tier=tier,
    )
    return HarmHead(head=head, severities=tuple(levels))
