"""An evaluation card, in words and numbers that need no statistics to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _, gettext_lazy

from ..engine.evaluation import CurvePoint
from ..engine.intervals import Interval, wilson
from ..engine.slices import Slice
from ..engine.stored_cards import Measured, StoredCard, read_card
from . import plots
from .unrelated import describe_unrelated, sure

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
#: What the engine calls scripts that have no name of their own.
SCRIPTS = {
    "none": gettext_lazy("no letters"),
    "other": gettext_lazy("other scripts"),
}


def describe_card(card: Any) -> dict[str, Any]:
    """What a page shows of ``card``; empty where there is none.

    A card is JSON from a provider: what is missing in it is left out.
    """
    stored = read_card(card)
    if not stored:
        return {}
    return {
        "metrics": [
            tile(name, stored.metrics[name])
            for name in METRICS
            if name in stored.metrics
        ],
        "counts": _counts(stored.counts),
        "matrix": _matrix(stored.counts),
        "threshold": "" if stored.threshold is None else f"{stored.threshold:.2f}",
        "method": stored.method,
        "measured": _measured(stored),
        "warnings": stored.warnings,
        "thresholds": _thresholds(stored),
        "calibration": _calibration(stored),
        "slices": _slices(stored.slices),
        "unrelated": describe_unrelated(stored.unrelated, stored.threshold),
    }


def tile(name: str, measured: Measured) -> dict[str, Any]:
    label, words = METRICS[name]
    return {
        "label": label,
        "words": words,
        "value": f"{measured.value:.2f}",
        "interval": interval_words(measured.interval),
        "bar": plots.band(measured.value, measured.interval),
    }


def interval_words(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return sure(f"{interval.low:.2f}", f"{interval.high:.2f}")


def interval_range(interval: Interval | None) -> str:
    """Both ends, in one line; empty where there is no interval."""
    return f"{interval.low:.2f}\u00a0–\u00a0{interval.high:.2f}" if interval else ""


def nearest(points: Sequence[CurvePoint], threshold: float | None) -> int:
    """The index of the curve's point at a threshold; 0.5 where none is known."""
    wanted = 0.5 if threshold is None else threshold
    return min(range(len(points)), key=lambda n: abs(points[n].threshold - wanted))


def _measured(stored: StoredCard) -> list[tuple[str, str]]:
    """How it was measured: what, and in words."""
    facts = []
    if stored.method:
        facts.append((_("Method"), stored.method))
    if stored.positives is not None and stored.negatives is not None:
        held_out = _("%(positives)s positive and %(negatives)s negative samples") % {
            "positives": f"{stored.positives:,}",
            "negatives": f"{stored.negatives:,}",
        }
        if stored.folds:
            held_out = _(
                "%(samples)s, each scored by a model that had not seen it: "
                "%(folds)d models learned from the other samples"
            ) % {"samples": held_out, "folds": stored.folds}
        facts.append((_("Held out"), held_out))
    if stored.groups is not None:
        facts.append(
            (
                _("Different texts"),
                _("%s, near-duplicates counted once") % f"{stored.groups:,}",
            )
        )
    if stored.seed is not None:
        facts.append((_("Seed"), str(stored.seed)))
    return facts


def _counts(counts: CurvePoint | None) -> list[str]:
    if counts is None:
        return []
    tp, fp = counts.true_positives, counts.false_positives
    fn, tn = counts.false_negatives, counts.true_negatives
    return [
        _("Of %(all)d positive samples it found %(found)d and missed %(missed)d.")
        % {"all": tp + fn, "found": tp, "missed": fn},
        _(
            "Of %(all)d negative samples it let %(passed)d pass and raised %(false)d "
            "false alarms."
        )
        % {"all": fp + tn, "passed": tn, "false": fp},
    ]


def _matrix(counts: CurvePoint | None) -> dict[str, Any]:
    """The four counts, and of each label the share that was told right."""
    if counts is None:
        return {}
    positives = counts.true_positives + counts.false_negatives
    negatives = counts.false_positives + counts.true_negatives
    return {
        "counts": counts,
        "found": interval_words(wilson(counts.true_positives, positives)),
        "passed": interval_words(wilson(counts.true_negatives, negatives)),
    }


def _thresholds(stored: StoredCard) -> dict[str, Any]:
    """The precision–recall curve: its plot, its table, where the slider begins."""
    if not stored.curve:
        return {}
    at = nearest(stored.curve, stored.threshold)
    unrelated = stored.unrelated.scores if stored.unrelated else ()
    return {
        "plot": plots.precision_recall([stored.curve], [stored.curve[at]]),
        "at": at,
        "last": len(stored.curve) - 1,
        "now": _threshold(stored.curve[at], unrelated),
        "rows": [_threshold(point, unrelated) for point in stored.curve],
        "has_unrelated": bool(unrelated),
        "unrelated": len(unrelated),
    }


def _threshold(point: CurvePoint, unrelated: Sequence[float]) -> dict[str, Any]:
    precision, recall = plots.precision_of(point), plots.recall_of(point)
    row = {
        "threshold": f"{point.threshold:.2f}",
        "point": point,
        "precision": _number(precision),
        "recall": _number(recall),
        "place": plots.place_of(point),
        "unrelated": sum(score >= point.threshold for score in unrelated),
    }
    row["words"] = _(
        "%(threshold)s: %(caught)d caught, %(missed)d missed, %(false)d wrongly "
        "flagged; precision %(precision)s, recall %(recall)s"
    ) % {
        "threshold": row["threshold"],
        "caught": point.true_positives,
        "missed": point.false_negatives,
        "false": point.false_positives,
        "precision": row["precision"],
        "recall": row["recall"],
    }
    return row


def _calibration(stored: StoredCard) -> dict[str, Any]:
    if stored.reliability is None:
        return {}
    return {
        "plot": plots.reliability(stored.reliability.bins),
        "error": None
        if stored.reliability.error is None
        else f"{stored.reliability.error * 100:.0f}",
        "rows": [
            {
                "scores": f"{one.low:.1f} – {one.high:.1f}",
                "count": one.count,
                "positives": one.positives,
                "mean_score": "–"
                if one.mean_score is None
                else f"{one.mean_score:.2f}",
                "share": "–" if one.share is None else f"{one.share:.2f}",
                "interval": interval_range(one.share_interval),
            }
            for one in stored.reliability.bins
        ],
    }


def _slices(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    return [
        {
            "by": by,
            "rows": [
                {
                    "name": name_of(one.name),
                    "positives": one.positives,
                    "negatives": one.negatives,
                    "precision": _share(one.precision, one.precision_interval),
                    "recall": _share(one.recall, one.recall_interval),
                }
                for one in rows
            ],
        }
        for kind, by, name_of in (
            ("length", _("Length"), _length),
            ("script", _("Script"), _script),
        )
        if (rows := [one for one in slices if one.by == kind])
    ]


def _length(name: str) -> str:
    first, _dash, last = name.partition("-")
    if first in ("", "0"):
        return _("up to %s characters") % last
    if not last:
        return _("%s characters or more") % first
    return _("%(first)s to %(last)s characters") % {"first": first, "last": last}


def _script(name: str) -> str:
    return str(SCRIPTS.get(name, name))


def _share(value: float | None, interval: Interval | None) -> dict[str, Any]:
    if value is None:
        return {}
    return {
        "value": f"{value:.2f}",
        "interval": interval_range(interval),
        "bar": plots.band(value, interval),
    }


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
