"""A stored result as rows of a table: value, thresholds, and what they made of it."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..conf import settings
from ..decisions import DecisionValue, Rule
from ..models import ModerationResult
from ..verdicts import SCALE_RANGE, Scale
from .display import badge, bar

#: Scores below are not told apart on a page.
SMALLEST = 0.001


def score_rows(result: ModerationResult) -> list[dict[str, Any]]:
    """One row a category that was answered, then one a blocklist hit."""
    rules = {rule["category"]: rule for rule in result.thresholds}
    rows = [_score_row(score, rules, result.versions) for score in result.scores]
    hits = [
        {
            "category": hit["blocklist"],
            "version": "",
            "scale": _("term found"),
            "value": "",
            "bar": "",
            "review_at": "",
            "block_at": "",
            "decision": badge(hit["decision"], DecisionValue(hit["decision"]).label),
        }
        for hit in result.hits
    ]
    return [*rows, *hits]


def show_values(rows: list[dict[str, Any]]) -> SafeString:
    """The rows in one line, for a list."""
    if not rows:
        return format_html('<span class="cs-quiet">{}</span>', _("nothing found"))
    return format_html_join(
        ", ", "{} {}", ((row["category"], row["value"] or row["scale"]) for row in rows)
    )


def withheld() -> str:
    """Why a result has no text, by the setting that decides it."""
    reasons = {
        "never": _("Not kept: CONTENTSAFETY_STORE_TEXT is “never”."),
        "review_only": _(
            "Not kept: CONTENTSAFETY_STORE_TEXT is “review_only”, which keeps the "
            "texts of held and blocked ones alone."
        ),
    }
    return reasons.get(
        settings.STORE_TEXT,
        _("Not kept: CONTENTSAFETY_STORE_TEXT was another then, or it was erased."),
    )


def _score_row(
    score: dict[str, Any], rules: dict[str, Any], versions: dict[str, Any]
) -> dict[str, Any]:
    name = score["category"]
    rule = Rule(**rules[name]) if name in rules else None
    scale = rule.scale if rule else _given(score)
    value = score.get(scale)
    review_at = rule.review_at if rule else None
    block_at = rule.block_at if rule else None
    decision = ""
    if rule is not None:
        # Nobody answered on the rule's scale: a person has to look.
        found = DecisionValue.REVIEW if value is None else rule.decide(float(value))
        decision = badge(found.value, str(found.label))
    high = SCALE_RANGE.get(scale, (0, 1))[1]
    number = None if value is None else float(value)
    return {
        "category": name,
        "version": f"v{versions[name]}" if name in versions else "",
        "scale": scale,
        "value": "–" if number is None else _number(number, scale),
        "bar": bar(
            number / high,
            [None if t is None else t / high for t in (review_at, block_at)],
        )
        if number is not None
        else "",
        "review_at": "" if review_at is None else _number(review_at, scale),
        "block_at": "" if block_at is None else _number(block_at, scale),
        "decision": decision,
    }


def _given(score: dict[str, Any]) -> str:
    """The finest scale on which the source answered."""
    for scale in (Scale.SCORE, Scale.SEVERITY, Scale.DETECTED):
        if score.get(scale.value) is not None:
            return scale.value
    return Scale.SCORE.value


def _number(value: float, scale: str) -> str:
    if scale == Scale.DETECTED:
        return _("yes") if value else _("no")
    if scale == Scale.SCORE and 0 < value < SMALLEST:
        return f"< {SMALLEST}"
    return f"{value:.3f}".rstrip("0").rstrip(".")
