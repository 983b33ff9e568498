"""The two tiers of the engine: which dense vector stands beside the hashed n-grams."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import EngineError
from .features import SCHEME, WIDTH

__all__ = ["FAST", "MINILM", "TIERS", "Tier", "tier_named"]

#: Numbers in a vector of all-MiniLM-L6-v2 (its config.json: hidden_size).
MINILM_WIDTH = 384


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A name, and what an artifact of this tier says of its features.

    `scheme` names everything that a weight depends on, and `width` is how many numbers
    a dense vector has.
    """

    name: str
    scheme: str
    width: int


#: Static word embeddings: numpy alone, under a millisecond a short text.
FAST = Tier(name="fast", scheme=SCHEME, width=WIDTH)
#: The encoder itself: onnxruntime and its weights, some 10 ms a short text.
MINILM = Tier(
    name="minilm",
    # The n-grams are the same, so what changes them changes this, too.
    scheme=f"{SCHEME.partition(' ')[0]} minilm-1",
    width=MINILM_WIDTH,
)

TIERS = {tier.name: tier for tier in (FAST, MINILM)}


def tier_named(name: str) -> Tier:
    """Return the tier; raise EngineError for a name that none has."""
    if name not in TIERS:
        raise EngineError(
            f"There is no tier {name!r}.",
            remedy=f"Use one of: {', '.join(TIERS)}.",
            code="no_tier",
        )
    return TIERS[name]
