"""From verdicts to a decision: pure, monotonic, never a silent *allow*."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from django.db.models.enums import TextChoices
from django.utils.translation import gettext_lazy as _

from .verdicts import Scale, Verdict


class DecisionValue(TextChoices):
    """What a policy answers, mildest first."""

    ALLOW = "allow", _("allow")
    REVIEW = "review", _("review")
    BLOCK = "block", _("block")


_WEIGHT = {value: weight for weight, value in enumerate(DecisionValue.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One category of one provider, and the values at which a policy acts.

    A threshold is inclusive; None means never.
    """

    category: str
    provider: str
    scale: str = Scale.SCORE
    review_at: float | None = None
    block_at: float | None = None
    only_if_unsure: bool = False

    def decide(self, value: float) -> DecisionValue:
        """The decision for one value on this rule's scale."""
        if self.block_at is not None and value >= self.block_at:
            return DecisionValue.BLOCK
        if self.review_at is not None and value >= self.review_at:
            return DecisionValue.REVIEW
        return DecisionValue.ALLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What moved the decision: a rule's value, a blocklist hit, or a missing answer."""

    kind: str
    source: str
    category: str
    decision: str
    scale: str = ""
    value: float | None = None
    threshold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, without user text."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A policy's answer, with every reason that is not *allow*."""

    value: DecisionValue
    reasons: tuple[Reason, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether nothing any other source says can change the answer."""
        return self.value == DecisionValue.BLOCK


def decide(rules: Iterable[Rule], verdicts: Mapping[str, Verdict]) -> Decision:
    """Apply ``rules`` to ``verdicts`` (source → its answer): the worst one wins.

    A rule whose category nobody answered on its scale asks for a review: "could not
    check" must never pass for "nothing found".
    """
    reasons = [
        *(reason for verdict in verdicts.values() for reason in _hits(verdict)),
        *(reason for rule in rules for reason in _apply(rule, verdicts)),
    ]
    worst = max(
        (reason.decision for reason in reasons),
        key=_WEIGHT.__getitem__,
        default=DecisionValue.ALLOW,
    )
    return Decision(value=DecisionValue(worst), reasons=tuple(reasons))


def is_unsure(rules: Iterable[Rule], verdicts: Mapping[str, Verdict]) -> bool:
    """Whether an answer landed between its rule's two thresholds."""
    for rule in rules:
        value = _value(rule, verdicts)
        if value is not None and rule.decide(value) == DecisionValue.REVIEW:
            return True
    return False


def _value(rule: Rule, verdicts: Mapping[str, Verdict]) -> float | None:
    verdict = verdicts.get(rule.provider)
    score = verdict.score_for(rule.category) if verdict else None
    value = score.on(rule.scale) if score else None
    # Not a number is below every threshold: it would pass for "nothing found".
    return None if value is None or isnan(value) else value


def _apply(rule: Rule, verdicts: Mapping[str, Verdict]) -> list[Reason]:
    value = _value(rule, verdicts)
    if value is None:
        return [
            Reason(
                kind="unanswered",
                source=rule.provider,
                category=rule.category,
                scale=rule.scale,
                decision=DecisionValue.REVIEW,
            )
        ]
    decision = rule.decide(value)
    if decision == DecisionValue.ALLOW:
        return []
    blocked = decision == DecisionValue.BLOCK
    return [
        Reason(
            kind="threshold",
            source=rule.provider,
            category=rule.category,
            scale=rule.scale,
            value=value,
            threshold=rule.block_at if blocked else rule.review_at,
            decision=decision,
        )
    ]


def _hits(verdict: Verdict) -> list[Reason]:
    return [
        Reason(
            kind="blocklist",
            source=verdict.source,
            category=hit.blocklist,
            decision=hit.decision,
        )
        for hit in verdict.hits
        if hit.decision != DecisionValue.ALLOW
    ]
