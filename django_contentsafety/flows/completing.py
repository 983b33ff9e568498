"""Read a claimed row's text; store results and decision. One transaction an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from django.db import connections, transaction

from ..conf import settings
from ..decisions import Decision, DecisionValue
from ..documents import Document, every_object, object_key, prepared_key
from ..models import LogEntry, ModerationResult, ModerationState, statements
from ..registry import ModelModeration, registry
from ..signals import moderation_finished
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


def texts_of(rows: Sequence[ModerationState], using: str) -> dict[int, Document]:
    """The documents of ``rows`` by row id, read now: one query a model.

    A row whose object is gone, or whose policy the code no longer names, is left out.
    """
    documents: dict[int, Document] = {}
    for label in {row.model for row in rows}:
        moderation = registry.by_label(label)
        if moderation is None:
            continue
        mine = [row for row in rows if row.model == label]
        values = _read(moderation, {row.object_key for row in mine}, using)
        for row in mine:
            fields = moderation.documents.get(row.policy)
            if fields and row.object_key in values:
                documents[row.pk] = Document.of(fields, values[row.object_key])
    return documents


def stored_verdicts(
    rows: Sequence[ModerationState], using: str
) -> dict[int, dict[str, Verdict]]:
    """What sources have answered about each row's text, in its current round."""
    mine = {row.pk: row for row in rows}
    if not mine:
        return {}
    verdicts: dict[int, dict[str, Verdict]] = {}
    results = ModerationResult.objects.using(using).filter(state_id__in=list(mine))
    for result in results:
        row = mine[result.state_id]
        if (result.generation, result.round) == (row.generation, row.round):
            verdicts.setdefault(row.pk, {})[result.source] = _verdict(result)
    return verdicts


def complete(judged: Sequence[Judged], using: str, *, nowait: bool) -> dict[int, str]:
    """Store the answers about one object and let its decisions come into force.

    Return, by row id, "decided", "open" (no decision yet; answers are stored) or
    "stale" (the row or the text moved on; the answer is kept and acts on nothing).
    """
    row = judged[0].row
    moderation = registry.by_label(row.model)
    if moderation is None:
        return {j.row.pk: "stale" for j in judged}
    outcome: dict[int, str] = {}
    with transaction.atomic(using):
        if not connections[using].features.has_select_for_update:
            # SQLite: a transaction that reads first can't be upgraded to a write.
            for j in judged:
                ModerationState.objects.using(using).renew(
                    j.row, settings.LEASE_SECONDS
                )
        values = _lock(moderation, row.object_key, using, nowait=nowait)
        for j in judged:
            outcome[j.row.pk] = _complete(j, moderation, values)
    return outcome


def is_current(row: ModerationState, using: str) -> bool:
    """Whether the object still has the text that ``row`` is about.

    Call it in a transaction: the object is locked. Where the text was changed by a way
    that sends no signal, ``row`` waits again for its new generation.
    """
    moderation = registry.by_label(row.model)
    fields = moderation.documents.get(row.policy) if moderation else None
    if moderation is None or fields is None:
        return True
    values = _lock(moderation, row.object_key, using)
    if values is None:
        # Deleted by a way that sends no signal.
        ModerationState.objects.using(using).filter(pk=row.pk).delete()
        return False
    document = Document.of(fields, values)
    if document.matches(row.content_hash, row.hash_key):
        return True
    _resubmit(row, document, using)
    return False


def lock_object(row: ModerationState, using: str) -> None:
    """Lock the object that ``row`` is about, in the transaction there is."""
    if (moderation := registry.by_label(row.model)) is not None:
        _lock(moderation, row.object_key, using)


def _resubmit(row: ModerationState, document: Document, using: str) -> None:
    states = ModerationState.objects.using(using)
    mine = states.filter(pk=row.pk, generation=row.generation)
    mine.resubmit(*document.hash())


def _complete(
    judged: Judged, moderation: ModelModeration, values: Mapping[str, Any] | None
) -> str:
    row, using = judged.row, judged.row._state.db or "default"
    states = ModerationState.objects.using(using)
    if values is None:
        # Deleted meanwhile; where no signal told us, the row goes now.
        states.filter(pk=row.pk).delete()
        return "stale"
    document = Document.of(moderation.documents[row.policy], values)
    same = document == judged.document
    if not (same and document.matches(row.content_hash, row.hash_key)):
        # The text was changed by a way that sends no signal (QuerySet.update(), SQL);
        # back again perhaps, and then it is the verdict that is about another text.
        _store(judged, document, stale=True)
        _resubmit(row, document, using)
        return "stale"
    if judged.decision is None:
        _store(judged, document, stale=False)
        return "open"
    before = row.decision if row.decided_generation else ""
    decision = str(judged.decision.value)
    written = states.complete(
        row,
        decision=decision,
        decided_by="machine",
        version=judged.plan.version,
    )
    # Where the row has moved on, the answer is still one about this text; as a stale
    # one it would stand in the way of the answer that comes into force.
    _store(judged, document, stale=False)
    if not written:
        return "stale"
    if decision != (before or DecisionValue.ALLOW):
        _log(row, judged.plan, judged.decision, before)
    row.decision, row.decided_generation, row.state = decision, row.generation, "done"
    send = partial(
        moderation_finished.send_robust, ModerationState, state=row, using=using
    )
    transaction.on_commit(send, using=using, robust=True)
    return "decided"


def _read(
    moderation: ModelModeration, keys: set[str], using: str
) -> dict[str, dict[str, Any]]:
    """The watched values of the objects with ``keys``, by key."""
    model = moderation.model
    pks = [model._meta.pk.to_python(key) for key in keys]
    objects = every_object(model, using).order_by().filter(pk__in=pks)
    rows = objects.values("pk", *sorted(moderation.watched))
    return {object_key(model, row["pk"], using): row for row in rows}


def _lock(
    moderation: ModelModeration, key: str, using: str, *, nowait: bool = False
) -> dict[str, Any] | None:
    """Lock one object and read its watched values; None where it is gone."""
    model, names = moderation.model, sorted(moderation.watched)
    nowait = nowait and connections[using].features.has_select_for_update_nowait

    def locked(marks: Any) -> Any:
        objects = every_object(model, using).order_by().filter(pk=marks.pk)
        return objects.select_for_update(nowait=nowait).values_list("pk", *names)

    pk = prepared_key(model, model._meta.pk.to_python(key), using)
    key_ = (model, *names, nowait)
    rows = statements.select(key_, using, locked, is_only=True, pk=pk)
    for found, *values in rows:
        # A collation may take KEY-1 for key-1.
        if object_key(model, found, using) == key:
            return dict(zip(names, values, strict=True))
    return None


def _store(judged: Judged, document: Document, *, stale: bool) -> None:
    row, plan = judged.row, judged.plan
    keep = settings.STORE_TEXT == "always" or (
        settings.STORE_TEXT == "review_only"
        and judged.decision is not None
        and judged.decision.value != DecisionValue.ALLOW
    )
    results = [
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
    # A result that is there already came from a worker that lost its lease: the first
    # answer stands.
    for result in results:
        statements.insert(result, row._state.db or "default", ignore_conflicts=True)


def _hit(hit: BlocklistHit, document: Document) -> dict[str, Any]:
    places = document.locate(hit.span.start, hit.span.end)
    where = asdict(places[0]) if places else {}
    return {
        "blocklist": hit.blocklist,
        "decision": hit.decision,
        **{name: where[name] for name in ("field", "start", "end") if name in where},
    }


def _verdict(result: ModerationResult) -> Verdict:
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


def _log(row: ModerationState, plan: Plan, decision: Decision, before: str) -> None:
    LogEntry.objects.using(row._state.db or "default").bulk_create(
        [
            LogEntry(
                event="decided",
                model=row.model,
                object_key=row.object_key,
                subject=row.policy,
                from_value=before,
                to_value=str(decision.value),
                reason="machine",
                details={
                    "generation": row.generation,
                    "round": row.round,
                    "policy_version": plan.version,
                    "reasons": [r.as_dict() for r in decision.reasons],
                },
            )
        ]
    )
