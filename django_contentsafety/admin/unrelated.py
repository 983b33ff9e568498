"""What a card says of ordinary texts that have nothing to do with its category."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ..engine.unrelated import UnrelatedErrors, unrelated_texts
from .display import excerpt
from .plots import band


def describe_unrelated(
    found: UnrelatedErrors | None, threshold: float | None
) -> dict[str, Any]:
    """Its false alarms; empty where none were counted."""
    if found is None:
        return {}
    interval = found.rate_interval
    return {
        "count": found.count,
        "false_positives": found.false_positives,
        "rate": _percent(found.rate),
        "interval": ""
        if interval is None
        else sure(_percent(interval.low), _percent(interval.high)),
        "bar": band(found.rate, interval),
        "texts": _flagged(found, 0.5 if threshold is None else threshold),
    }


def sure(low: str, high: str) -> str:
    """An interval in words, both of its ends in one line."""
    ends = _("%(low)s to %(high)s") % {"low": low, "high": high}
    return _("95 %% sure: %s") % ends.replace(" ", "\u00a0")


def _flagged(found: UnrelatedErrors, threshold: float) -> list[dict[str, Any]]:
    """Those of our own texts that it flags, where the card is about today's set."""
    name, texts = unrelated_texts()
    if found.texts != name or len(found.scores) != len(texts):
        return []
    flagged = [
        (score, one)
        for score, one in zip(found.scores, texts, strict=True)
        if score >= threshold
    ]
    flagged.sort(key=lambda pair: -pair[0])
    return [
        {"text": excerpt(one.text, 160), "score": f"{score:.2f}"}
        for score, one in flagged[:20]
    ]


def _percent(share: float) -> str:
    """A share of 0 to 1; more digits where it is small, for 0.3 % is not 0 %."""
    number = f"{share * 100:.1f}" if 0 < share < 0.1 else f"{share * 100:.0f}"
    return _("%s\u00a0%%") % number
