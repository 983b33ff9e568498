"""An evaluation card, in words and numbers that need no statistics to read."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _, gettext_lazy

#: Metric → label and what it says.
METRICS = {
    "precision": (
        gettext_lazy("Precision"),
        gettext_lazy("of the texts it flags, the share that belongs"),
    ),
    "recall": (
        gettext_lazy("Recall"),
        gettext_lazy("of the texts that belong, the share it flags"),
    ),
    "f1": (
        gettext_lazy("F1"),
        gettext_lazy("both in one: their harmonic mean"),
    ),
    "roc_auc": (
        gettext_lazy("ROC-AUC"),
        gettext_lazy("how often a positive scores above a negative"),
    ),
    "average_precision": (
        gettext_lazy("Average precision"),
        gettext_lazy("precision over all thresholds"),
    ),
}


def describe_card(card: Any) -> dict[str, Any]:
    """What the page shows of ``card``; empty where there is none.

    A card is JSON from a provider: what is missing in it is left out.
    """
    if not isinstance(card, dict) or not isinstance(card.get("metrics"), dict):
        return {}
    metrics = card["metrics"]
    threshold = metrics.get("threshold")
    return {
        "metrics": [
            {
                "label": label,
                "words": words,
                "value": f"{metrics[name]:.2f}",
                "interval": _interval(metrics.get(f"{name}_interval")),
                "bar": _bar(metrics[name], metrics.get(f"{name}_interval")),
            }
            for name, (label, words) in METRICS.items()
            if isinstance(metrics.get(name), int | float)
        ],
        "counts": _counts(metrics),
        "threshold": f"{threshold:.2f}" if isinstance(threshold, float) else "",
        "method": str(card.get("method", "")),
        "warnings": [str(warning) for warning in card.get("warnings") or []],
    }


def _interval(value: Any) -> str:
    if not value:
        return ""
    return _("95 %% sure: %(low)s to %(high)s") % {
        "low": f"{value['low']:.2f}",
        "high": f"{value['high']:.2f}",
    }


def _bar(value: float, interval: Any) -> SafeString:
    """0 to 1, the interval as a band, the value as a line."""
    low, high = (interval["low"], interval["high"]) if interval else (value, value)
    return format_html(
        '<svg class="cs-band" viewBox="0 0 100 8" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="cs-track" y="3" width="100" height="2"/>'
        '<rect class="cs-interval" x="{}" y="1" width="{}" height="6"/>'
        '<rect class="cs-value" x="{}" y="0" width="1" height="8"/></svg>',
        f"{low * 100:.1f}",
        f"{(high - low) * 100:.1f}",
        f"{min(value * 100, 99):.1f}",
    )


def _counts(metrics: dict[str, Any]) -> list[str]:
    try:
        tp, fp, fn, tn = (
            int(metrics[name])
            for name in (
                "true_positives",
                "false_positives",
                "false_negatives",
                "true_negatives",
            )
        )
    except (KeyError, TypeError, ValueError):
        return []
    return [
        _("Of %(all)d positive samples it found %(found)d and missed %(missed)d.")
        % {"all": tp + fn, "found": tp, "missed": fn},
        _(
            "Of %(all)d negative samples it let %(passed)d pass and raised %(false)d "
            "false alarms."
        )
        % {"all": fp + tn, "passed": tn, "false": fp},
    ]
