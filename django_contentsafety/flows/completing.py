"""Read claimed rows' texts; store results and decisions, under the objects' locks.

In one transaction for all objects that nobody has locked; one an object for the others.
Whoever holds an object's lock never waits for another one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction

from ..conf import settings
from ..documents import Document, every_object, object_key, prepared_key
from ..models import LogEntry, ModerationResult, ModerationState, statements
from ..registry import ModelModeration, registry
from ..signals import moderation_finished
from ..verdicts import Verdict
from .recording import Judged, entry_of, results_of, verdict_of


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
    rows: Sequence[ModerationState],
    using: str,
    *,
    fits: Callable[[Verdict], bool] | None = None,
) -> dict[int, dict[str, Verdict]]:
    """What sources have answered about each row's text, in its current round.

    With ``fits``: of each source the newest answer that fits, from whatever round.
    """
    mine = {row.pk: row for row in rows}
    if not mine:
        return {}
    verdicts: dict[int, dict[str, Verdict]] = {}
    results = ModerationResult.objects.using(using).filter(state_id__in=list(mine))
    if fits is not None:
        results = results.filter(is_stale=False).order_by("-round", "-pk")
    for result in results:
        row = mine[result.state_id]
        found = verdicts.setdefault(row.pk, {})
        if fits is None:
            if (result.generation, result.round) == (row.generation, row.round):
                found[result.source] = verdict_of(result)
        elif result.generation == row.generation and result.source not in found:
            verdict = verdict_of(result)
            if fits(verdict):
                found[result.source] = verdict
    return verdicts


def complete_free(judged: Sequence[Judged], using: str) -> dict[int, str]:
    """Store what can be stored at once: decisions about texts that stand, of objects
    that nobody has locked. Return their outcome by row id; the others are left to
    ``complete``.

    It waits for no lock, so it can't deadlock with a host's transaction, as a batch
    would that locks one object after the other.
    """
    decided: list[Judged] = []
    states = ModerationState.objects.using(using)
    with transaction.atomic(using):
        states.begin_write()
        for label in {j.row.model for j in judged}:
            mine = [j for j in judged if j.row.model == label]
            if moderation := registry.by_label(label):
                decided += _standing(mine, moderation, using)
        held = states.hold([j.row for j in decided])
        decided = [j for j in decided if j.row.pk in held]
        _store_all(decided, using)
    return {j.row.pk: "decided" for j in decided}


def complete(judged: Sequence[Judged], using: str, *, nowait: bool) -> dict[int, str]:
    """Store the answers about one object and let its decisions come into force.

    Return, by row id, "decided", "open" (no decision yet; answers are stored) or
    "stale" (the row or the text moved on; the answer acts on nothing, and is kept
    unless it would stand in the way of the right one).
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
    if not document.matches(row.content_hash, row.hash_key):
        # The text was changed by a way that sends no signal (QuerySet.update(), SQL).
        _store(judged, document, stale=True)
        _resubmit(row, document, using)
        return "stale"
    if document != judged.document:
        # Changed and back again: the row is right, and the verdict about another text.
        # Not stored, for it would stand in the way of the right one. Whoever has taken
        # the row meanwhile, a person's decision above all, is left in peace.
        states.release(row, code="", delay=0, refund=True)
        return "stale"
    if judged.decision is None:
        _store(judged, document, stale=False)
        return "open"
    before = _before(row)
    written = states.complete(
        row,
        decision=judged.value,
        decided_by="machine",
        version=judged.plan.version,
    )
    # Where the row has moved on, the answer is still one about this text; as a stale
    # one it would stand in the way of the answer that comes into force.
    _store(judged, document, stale=False)
    if not written:
        return "stale"
    if entry := entry_of(judged, before):
        statements.insert(entry, using)
    _announce(judged, using)
    return "decided"


def _standing(
    judged: Sequence[Judged], moderation: ModelModeration, using: str
) -> list[Judged]:
    """Those decided about the text their object has, which is locked from here on."""
    keys = {j.row.object_key for j in judged}
    free = _read(moderation, keys, using, skip_locked=True)
    return [
        j
        for j in judged
        if j.row.object_key in free and _stands(j, moderation, free[j.row.object_key])
    ]


def _stands(
    judged: Judged, moderation: ModelModeration, values: Mapping[str, Any]
) -> bool:
    row = judged.row
    document = Document.of(moderation.documents[row.policy], values)
    return (
        judged.decision is not None
        and document == judged.document
        and document.matches(row.content_hash, row.hash_key)
    )


def _store_all(judged: Sequence[Judged], using: str) -> None:
    """Results, decisions and log lines of rows that are locked, in few statements."""
    results = [r for j in judged for r in results_of(j, j.document, stale=False)]
    # A result that is there already came from a worker that lost its lease: the first
    # answer stands.
    ModerationResult.objects.using(using).bulk_create(results, ignore_conflicts=True)
    entries = [entry for j in judged if (entry := entry_of(j, _before(j.row)))]
    LogEntry.objects.using(using).bulk_create(entries)
    alike: dict[tuple[str, int], list[int]] = {}
    for j in judged:
        alike.setdefault((j.value, j.plan.version), []).append(j.row.pk)
    states = ModerationState.objects.using(using)
    for (decision, version), pks in alike.items():
        states.complete_held(pks, decision=decision, version=version)
    for j in judged:
        _announce(j, using)


def _before(row: ModerationState) -> str:
    """The decision in force."""
    return row.decision if row.decided_generation else ""


def _announce(judged: Judged, using: str) -> None:
    row = judged.row
    row.decision, row.decided_generation = judged.value, row.generation
    row.state = "done"
    send = partial(
        moderation_finished.send_robust, ModerationState, state=row, using=using
    )
    transaction.on_commit(send, using=using, robust=True)


def _read(
    moderation: ModelModeration,
    keys: set[str],
    using: str,
    *,
    skip_locked: bool = False,
) -> dict[str, dict[str, Any]]:
    """The watched values of the objects with ``keys``, by key; with ``skip_locked``,
    of those that nobody else has locked, and they are locked from then on."""
    model = moderation.model
    pks = [model._meta.pk.to_python(key) for key in keys]
    objects = every_object(model, using).order_by().filter(pk__in=pks)
    if skip_locked and connections[using].features.has_select_for_update_skip_locked:
        objects = objects.select_for_update(skip_locked=True)
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
    # A result that is there already came from a worker that lost its lease: the first
    # answer stands.
    for result in results_of(judged, document, stale=stale):
        statements.insert(
            result, judged.row._state.db or "default", ignore_conflicts=True
        )
