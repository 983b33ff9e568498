"""The page of two versions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..engine.stored_cards import StoredCard, read_card
from ..flows.comparing import Comparison, Flip, compare_versions
from ..models import CategoryVersion
from . import plots
from .card_samples import PERMISSION
from .cards import METRICS, interval_range, nearest
from .display import excerpt, masked

#: Versions to choose from.
CHOICES = 100


def compare_page(
    request: HttpRequest, version: CategoryVersion, may_read: bool
) -> dict[str, Any]:
    """What changes where ``version`` takes the place of another one.

    The other is ``?with=<pk>``, of the same category and measured; by default the
    active version, else the one before this. ``?threshold=`` judges both at the same.
    """
    others = _others(version)
    before = _chosen(request.GET.get("with", ""), version, others)
    asked = _threshold(request.GET.get("threshold", ""))
    context = {
        "title": _("Compare %s") % version,
        "version": version,
        "others": [
            (other, other.pk == version.category.active_version_id) for other in others
        ],
        "before": before,
        "threshold": "" if asked is None else f"{asked:g}",
    }
    if before is None:
        return context
    # Not before one is chosen: the list is made without the large columns.
    cards = read_card(before.card), read_card(version.card)
    comparison = compare_versions(before, version, threshold=asked)
    return {
        **context,
        "metrics": _metrics(*cards),
        "plot": _plot(cards, comparison),
        "comparison": comparison,
        "before_threshold": f"{comparison.before_threshold:.2f}",
        "after_threshold": f"{comparison.after_threshold:.2f}",
        "verdict": _verdict(comparison),
        "flips": [_flip(flip, may_read) for flip in comparison.flips],
        "unlisted": comparison.fixed + comparison.broken - len(comparison.flips),
    }


def _others(version: CategoryVersion) -> list[CategoryVersion]:
    rows = CategoryVersion.objects.filter(
        category=version.category_id, card__isnull=False
    )
    return list(
        rows.exclude(pk=version.pk)
        # Its card stays; its samples are gone, and none would be in both.
        .exclude(status=CategoryVersion.Status.DELETED)
        .order_by("-number")
        .defer(*CategoryVersion.BLOBS, "card")
        .select_related("category")[:CHOICES]
    )


def _chosen(
    asked: str, version: CategoryVersion, others: Sequence[CategoryVersion]
) -> CategoryVersion | None:
    by_key = {str(other.pk): other for other in others}
    if asked in by_key:
        return by_key[asked]
    active = by_key.get(str(version.category.active_version_id))
    # They come newest first.
    older = [other for other in others if other.number < version.number]
    return active or next(iter([*older, *others]), None)


def _threshold(asked: str) -> float | None:
    try:
        threshold = float(asked)
    except ValueError:
        return None
    return threshold if 0 <= threshold <= 1 else None


def _metrics(before: StoredCard, after: StoredCard) -> list[dict[str, Any]]:
    rows = []
    for name, (label, words) in METRICS.items():
        old, new = before.metrics.get(name), after.metrics.get(name)
        if old is None and new is None:
            continue
        row: dict[str, Any] = {"label": label, "words": words, "change": ""}
        for side, measured in (("before", old), ("after", new)):
            row[side] = measured and {
                "value": f"{measured.value:.2f}",
                "interval": interval_range(measured.interval),
                "bar": plots.band(measured.value, measured.interval),
            }
        if old is not None and new is not None:
            # Of the rounded numbers, or they would not add up on the page.
            change = round(new.value, 2) - round(old.value, 2)
            row["change"] = (
                f"{change:+.2f}".replace("-", "−") if abs(change) >= 0.005 else "±0"
            )
        rows.append(row)
    return rows


def _plot(
    cards: tuple[StoredCard, StoredCard], comparison: Comparison
) -> SafeString | str:
    before, after = cards
    if not before.curve or not after.curve:
        return ""
    at = [
        card.curve[nearest(card.curve, threshold)]
        for card, threshold in (
            (after, comparison.after_threshold),
            (before, comparison.before_threshold),
        )
    ]
    return plots.precision_recall([after.curve, before.curve], at)


def _verdict(comparison: Comparison) -> str:
    """What the flips say, and whether chance would say it as well."""
    if not comparison.compared:
        return ""
    if comparison.chance is None:
        return _("No text changes its side.")
    if comparison.fixed == comparison.broken:
        return _("As many are fixed as are broken.")
    words = (
        _("More are fixed than broken")
        if comparison.fixed > comparison.broken
        else _("More are broken than fixed")
    )
    chance = comparison.chance
    digits = 1 if chance < 0.1 else 0
    odds = f"{chance * 100:.{digits}f} %" if chance >= 0.001 else _("less than 0.1 %")
    if chance < 0.05:
        return _(
            "%(words)s, and hardly by chance: two equally good versions would differ "
            "as much in %(odds)s of cases (McNemar's exact test)."
        ) % {"words": words, "odds": odds}
    return _(
        "%(words)s, which may be chance: two equally good versions would differ as "
        "much in %(odds)s of cases (McNemar's exact test)."
    ) % {"words": words, "odds": odds}


def _flip(flip: Flip, may_read: bool) -> dict[str, Any]:
    return {
        "is_fixed": flip.kind == "fixed",
        "text": excerpt(flip.text, 200) if may_read else masked(PERMISSION),
        "is_positive": flip.is_positive,
        "before": f"{flip.before:.2f}",
        "after": f"{flip.after:.2f}",
    }
