"""A held text → a person's decision → in force, recorded, logged."""

from __future__ import annotations

from django.db import connections, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from ..decisions import DecisionValue
from ..documents import user_key
from ..exceptions import TextChanged
from ..models import DbNow, LogEntry, ModerationState, Review
from .completing import is_current, lock_object


def decide(
    state_id: int,
    *,
    using: str,
    generation: int,
    decision: str,
    by: object,
    reason: str = "",
    note: str = "",
) -> None:
    """Put a person's decision in force for the text they saw.

    It stands until the text changes. Raise TextChanged where ``generation`` is no
    longer the object's.
    """
    actor = user_key(by)
    states = ModerationState.objects.using(using)
    mine = states.filter(pk=state_id, generation=generation)
    with transaction.atomic(using):
        if connections[using].features.has_select_for_update and (row := mine.first()):
            # As everybody: the object first, then its states. A save would wait for
            # this row and this for the save's, and the host's might be the victim.
            lock_object(row, using)
        # The compare-and-set: where nothing is locked it is the first statement,
        # because SQLite never upgrades a read. It takes the row from a worker, whose
        # answer then acts on nothing.
        row = mine.first() if mine.update(lease_token="", lease_until=None) else None
        changed = row is None or not is_current(row, using)
        if row is not None and not changed:
            _decide(row, decision, actor, reason, note, using)
    if changed:
        raise TextChanged(_("The text changed since you opened it: look at it again."))


def _decide(
    row: ModerationState, decision: str, actor: str, reason: str, note: str, using: str
) -> None:
    names = {"model": row.model, "object_key": row.object_key}
    ModerationState.objects.using(using).filter(pk=row.pk).update(
        decision=DecisionValue(decision).value,
        decided_generation=F("generation"),
        decided_by="person",
        decided_at=DbNow(),
        exhausted_reason="",
        state="done",
    )
    Review.objects.using(using).create(
        **names,
        policy=row.policy,
        state_id=row.pk,
        generation=row.generation,
        decision=decision,
        reason=reason,
        note=note,
        reviewer_key=actor,
    )
    LogEntry.objects.using(using).create(
        **names,
        event="reviewed",
        actor_key=actor,
        subject=row.policy,
        from_value=row.decision if row.is_decided else row.state,
        to_value=decision,
        reason=reason,
        details={"generation": row.generation},
    )


def approve(state_id: int, *, using: str, generation: int, by: object) -> None:
    """``decide`` with *allow*."""
    decide(state_id, using=using, generation=generation, decision="allow", by=by)


def reject(state_id: int, *, using: str, generation: int, by: object) -> None:
    """``decide`` with *block*."""
    decide(state_id, using=using, generation=generation, decision="block", by=by)


def retry(state_id: int, *, using: str, generation: int, by: object) -> None:
    """Have the machine look again: a new round over the same text.

    Raise TextChanged as ``decide`` does. The decision in force, a person's too, stands
    until the machine's new one comes; that is what the person asked for.
    """
    states = ModerationState.objects.using(using)
    with transaction.atomic(using):
        moved = states.filter(pk=state_id, generation=generation).update(
            round=F("round") + 1, **states.afresh()
        )
        if not moved:
            raise TextChanged(
                _("The text changed since you opened it: look at it again.")
            )
        row = states.get(pk=state_id)
        LogEntry.objects.using(using).create(
            event="retried",
            model=row.model,
            object_key=row.object_key,
            actor_key=user_key(by),
            subject=row.policy,
            details={"generation": generation, "round": row.round},
        )
