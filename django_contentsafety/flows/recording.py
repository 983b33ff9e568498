"""What is kept of a judgment: results of sources, and a line in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..conf import settings
from ..decisions import Decision, DecisionValue
from ..documents import Document
from ..models import LogEntry, ModerationResult, ModerationState
from ..verdicts import BlocklistHit, CategoryScore, Span, Verdict
from .plans import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A claimed row with its new answers; ``decision`` is None where some lack."""

    row: ModerationState
    #: What was judged.
    document: Document
    plan: Plan
    fresh: Mapping[str, Verdict]
    decision: Decision | None

    @property
    def value(self) -> str:
        """The decision's word; empty where there is none."""
        return str(self.decision.value) if self.decision else ""


def results_of(
    judged: Judged, document: Document, *, stale: bool
) -> list[ModerationResult]:
    """The fresh answers as rows that are not stored yet; ``document`` is the object's
    text as it is now."""
    row, plan = judged.row, judged.plan
    keep = settings.STORE_TEXT == "always" or (
        settings.STORE_TEXT == "review_only"
        and judged.decision is not None
        and judged.decision.value != DecisionValue.ALLOW
    )
    return [
        ModerationResult(
            model=row.model,
            object_key=row.object_key,
            policy=row.policy,
            state_id=row.pk,
            generation=row.generation,
            round=row.round,
            source=source,
            scores=[asdict(score) for score in verdict.scores],
            hits=[_hit(hit, document) for hit in verdict.hits],
            spans=[
                asdict(place)
                for span in verdict.spans
                for place in document.locate(
                    span.start, span.end, category=span.category, weight=span.weight
                )
            ],
            thresholds=[asdict(rule) for rule in plan.rules if rule.provider == source],
            versions=verdict.versions,
            policy_version=plan.version,
            request_id=verdict.request_id,
            latency_ms=verdict.latency_ms,
            raw=verdict.raw,
            text=document.text if keep and not stale else None,
            is_stale=stale,
        )
        for source, verdict in judged.fresh.items()
    ]


def entry_of(judged: Judged, before: str) -> LogEntry | None:
    """The log's line about a decision that differs from the one in force, which is
    "allow" where there was none."""
    row, plan, decision = judged.row, judged.plan, judged.decision
    if decision is None or judged.value == (before or DecisionValue.ALLOW):
        return None
    return LogEntry(
        event="decided",
        model=row.model,
        object_key=row.object_key,
        subject=row.policy,
        from_value=before,
        to_value=judged.value,
        reason="machine",
        details={
            "generation": row.generation,
            "round": row.round,
            "policy_version": plan.version,
            "reasons": [r.as_dict() for r in decision.reasons],
        },
    )


def verdict_of(result: ModerationResult) -> Verdict:
    """A stored answer as the decision sees it."""
    return Verdict(
        source=result.source,
        scores=tuple(CategoryScore(**score) for score in result.scores),
        hits=tuple(
            BlocklistHit(
                blocklist=hit["blocklist"],
                term="",
                decision=hit["decision"],
                span=Span(field=hit.get("field", ""), start=0, end=0),
            )
            for hit in result.hits
        ),
        versions=result.versions,
    )


def _hit(hit: BlocklistHit, document: Document) -> dict[str, Any]:
    places = document.locate(hit.span.start, hit.span.end)
    where = asdict(places[0]) if places else {}
    return {
        "blocklist": hit.blocklist,
        "decision": hit.decision,
        **{name: where[name] for name in ("field", "start", "end") if name in where},
    }
