"""Plots as SVG, made here: no script draws them, and both of the admin's themes fit.

Colors come from the style sheet. A plot is an image with a name and a description; the
numbers themselves stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..engine.evaluation import CurvePoint
from ..engine.intervals import Interval
from ..engine.reliability import ReliabilityBin

# The square that holds the values, in the units of the view box, and what is around.
_LEFT, _TOP, _SIZE, _WIDTH, _HEIGHT = 56, 10, 260, 328, 316
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: The looks of lines that share a plot, the first one's the strongest.
_LINES = ("cs-line", "cs-line cs-line-other")


def precision_of(point: CurvePoint) -> float | None:
    """None where nothing is flagged."""
    flagged = point.true_positives + point.false_positives
    return point.true_positives / flagged if flagged else None


def recall_of(point: CurvePoint) -> float | None:
    """None without positives."""
    positives = point.true_positives + point.false_negatives
    return point.true_positives / positives if positives else None


def place_of(point: CurvePoint) -> tuple[str, str] | None:
    """Where a threshold is on the precision–recall plot: x and y, in its units."""
    precision, recall = precision_of(point), recall_of(point)
    if precision is None or recall is None:
        return None
    return _x(recall), _y(precision)


def precision_recall(
    curves: Sequence[Sequence[CurvePoint]], at: Sequence[CurvePoint | None]
) -> SafeString:
    """Precision over recall, a line for each of one or two versions.

    ``at`` is the point of each line that its threshold is at.
    """
    lines = []
    for look, points in zip(_LINES, curves, strict=False):
        places = [place for point in points if (place := place_of(point))]
        path = " ".join(",".join(place) for place in places)
        lines.append((look, path))
    dots = [
        (look, *place)
        for look, point in zip(("cs-dot", "cs-dot cs-dot-other"), at, strict=False)
        if point is not None and (place := place_of(point))
    ]
    share = _share_of_positives(curves[0])
    return _plot(
        _("Precision over recall"),
        _(
            "A line from few flagged texts at the left to many at the right; the "
            "nearer to the upper right corner, the better. The table has its numbers."
        ),
        _("Recall: share of the texts that belong"),
        _("Precision: share of the flagged"),
        format_html(
            '<line class="cs-guess" x1="{}" x2="{}" y1="{}" y2="{}"/>',
            _x(0),
            _x(1),
            _y(share),
            _y(share),
        )
        if share is not None
        else "",
        format_html_join("", '<polyline class="{}" points="{}"/>', lines),
        format_html_join("", '<circle class="{}" cx="{}" cy="{}" r="5"/>', dots),
    )


def reliability(bins: Iterable[ReliabilityBin]) -> SafeString:
    """The share that belongs over the score, with intervals; the diagonal is good."""
    bins = [one for one in bins if one.mean_score is not None and one.share is not None]
    most = max((one.count for one in bins), default=1) or 1
    return _plot(
        _("Share of positives over the score"),
        _(
            "A dot for each range of scores, larger for more samples, with its "
            "interval. On the diagonal a score means what it says. The table has its "
            "numbers."
        ),
        _("Score"),
        _("Share that belongs"),
        format_html(
            '<line class="cs-guess" x1="{}" y1="{}" x2="{}" y2="{}"/>',
            _x(0),
            _y(0),
            _x(1),
            _y(1),
        ),
        format_html_join(
            "",
            '<line class="cs-whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>',
            (
                (
                    _x(one.mean_score or 0),
                    _y(one.share_interval.low),
                    _y(one.share_interval.high),
                )
                for one in bins
                if one.share_interval
            ),
        ),
        format_html_join(
            "",
            '<circle class="cs-dot" cx="{}" cy="{}" r="{}"/>',
            (
                (
                    _x(one.mean_score or 0),
                    _y(one.share or 0),
                    f"{3 + 4 * (one.count / most) ** 0.5:.1f}",
                )
                for one in bins
            ),
        ),
    )


def band(value: float, interval: Interval | None) -> SafeString:
    """0 to 1, the interval as a band, the value as a line."""
    low, high = (interval.low, interval.high) if interval else (value, value)
    return format_html(
        '<svg class="cs-band" viewBox="0 0 100 8" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="cs-track" y="3" width="100" height="2"/>'
        '<rect class="cs-interval" x="{}" y="1" width="{}" height="6"/>'
        '<rect class="cs-value" x="{}" y="0" width="1" height="8"/></svg>',
        f"{low * 100:.1f}",
        f"{(high - low) * 100:.1f}",
        f"{min(value * 100, 99):.1f}",
    )


def _plot(
    title: str, description: str, x_label: str, y_label: str, *layers: SafeString | str
) -> SafeString:
    """Axes from 0 to 1, and ``layers`` inside of them."""
    grid = format_html_join(
        "",
        '<line class="cs-grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<line class="cs-grid" x1="{3}" x2="{4}" y1="{5}" y2="{5}"/>'
        '<text class="cs-scale" x="{0}" y="{6}" text-anchor="middle">{7}</text>'
        '<text class="cs-scale" x="{8}" y="{9}" text-anchor="end">{7}</text>',
        (
            (
                _x(tick),
                _y(0),
                _y(1),
                _x(0),
                _x(1),
                _y(tick),
                _TOP + _SIZE + 16,
                f"{tick:g}",
                _LEFT - 7,
                f"{_TOP + (1 - tick) * _SIZE + 4:.1f}",
            )
            for tick in _TICKS
        ),
    )
    middle = _TOP + _SIZE // 2
    return format_html(
        '<svg class="cs-plot" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "<desc>{}</desc>{}"
        '<text class="cs-axis" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="cs-axis" transform="translate(12 {}) rotate(-90)" '
        'text-anchor="middle">{}</text>{}</svg>',
        _WIDTH,
        _HEIGHT,
        title,
        description,
        grid,
        _LEFT + _SIZE // 2,
        _HEIGHT - 8,
        x_label,
        middle,
        y_label,
        format_html_join("", "{}", ((layer,) for layer in layers)),
    )


def _share_of_positives(points: Sequence[CurvePoint]) -> float | None:
    """What flagging everything, or anything at random, would have as its precision."""
    for point in points[:1]:
        positives = point.true_positives + point.false_negatives
        return positives / (positives + point.false_positives + point.true_negatives)
    return None


def _x(value: float) -> str:
    return f"{_LEFT + value * _SIZE:.1f}"


def _y(value: float) -> str:
    return f"{_TOP + (1 - value) * _SIZE:.1f}"
