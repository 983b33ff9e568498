"""The encoder's vectors of many texts, kept for the next run: they take minutes."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from django_contentsafety.engine import encoder, minilm
from django_contentsafety.engine.tiers import MINILM

__all__ = ["vectors"]

KEPT = Path(__file__).parents[2] / "build" / "vectors"


def vectors(texts: Sequence[str]) -> Any:
    """Return what `encoder.encode` does; the same texts are read once a machine."""
    import numpy as np

    asked = "\0".join([minilm.SHA256, MINILM.scheme, *texts])
    name = sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
    kept = KEPT / f"{name}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, also where the run is broken off.
        part = kept.with_suffix(".part.npy")
        np.save(part, encoder.encode(texts))
        part.replace(kept)
    return np.load(kept, allow_pickle=False)
