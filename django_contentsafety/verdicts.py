"""The vocabulary every provider answers in. No opinion of ours, no models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models.enums import TextChoices


class HarmCategory(TextChoices):
    """The four built-in categories, spelled as Azure AI Content Safety does."""

    #: Attacks on a person or group for what they are.
    HATE = "Hate", "Hate"
    #: Hurting, cutting or killing oneself.
    SELF_HARM = "SelfHarm", "Self-harm"
    #: Anatomy, romance and sexual acts.
    SEXUAL = "Sexual", "Sexual"
    #: Hurting, damaging or killing someone or something; weapons.
    VIOLENCE = "Violence", "Violence"


class Scale(TextChoices):
    """How an answer is measured. One is never turned into another silently."""

    #: A probability, 0 to 1.
    SCORE = "score", "score (0 to 1)"
    #: An ordinal, 0 to 7.
    SEVERITY = "severity", "severity (0 to 7)"
    #: Yes or no: 1 or 0.
    DETECTED = "detected", "detected (0 or 1)"


#: The inclusive range of each scale.
SCALE_RANGE: dict[str, tuple[float, float]] = {
    Scale.SCORE: (0.0, 1.0),
    Scale.SEVERITY: (0.0, 7.0),
    Scale.DETECTED: (0.0, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryScore:
    """One category's answer on the scales the provider has; None = not given."""

    category: str
    score: float | None = None
    severity: int | None = None
    detected: bool | None = None

    def on(self, scale: str) -> float | None:
        """The value on ``scale``, or None where the provider gave none."""
        value = {
            Scale.SCORE: self.score,
            Scale.SEVERITY: self.severity,
            Scale.DETECTED: self.detected,
        }[Scale(scale)]
        return None if value is None else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Half-open range ``[start, end)`` in code points of one field's text."""

    field: str
    start: int
    end: int
    category: str = ""
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlocklistHit:
    """One match of one blocklist's item, with the item's own decision."""

    blocklist: str
    term: str
    decision: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One source's answer about one document."""

    source: str
    scores: tuple[CategoryScore, ...] = ()
    hits: tuple[BlocklistHit, ...] = ()
    spans: tuple[Span, ...] = ()
    #: Category name → the number of the version that answered.
    versions: dict[str, int] = field(default_factory=dict)
    request_id: str = ""
    latency_ms: int = 0
    #: The provider's own words, JSON-safe, without the text.
    raw: Any = None

    def score_for(self, category: str) -> CategoryScore | None:
        """The answer for ``category``, or None."""
        return next((s for s in self.scores if s.category == category), None)
