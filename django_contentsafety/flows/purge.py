"""What is no longer needed goes: old results, old texts, rows of objects that are gone.

Each pass goes through its table by key, some rows with each sweep, and begins again a
day after it ended: no sweep costs more on a long history. The log is never touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q

from ..conf import settings
from ..documents import every_object, object_key
from ..models import DbNow, ModerationResult, ModerationState
from ..registry import ModelModeration, registry
from . import heartbeats

#: Rows looked at in one step (reliability.md §7.3).
CHUNK = 500
#: Seconds of one pass in one sweep: a step that has begun is finished.
SECONDS = 2.0
#: From the end of a pass to the next one: retention counts in days.
EVERY = timedelta(days=1)

Row = Mapping[str, Any]


def purge_results(using: str, *, seconds: float = SECONDS) -> tuple[int, int]:
    """Go on deleting old results and texts; return (results deleted, texts removed).

    ``CONTENTSAFETY_KEEP_ALLOWED_DAYS`` after a machine allowed a text its results are
    deleted. ``CONTENTSAFETY_KEEP_DECIDED_DAYS`` after a case was closed (blocked,
    decided by a person, or about a text that has changed since) its results lose the
    text; those of an object that is gone are deleted.
    """
    deleted = erased = 0

    def step(after: int) -> int | None:
        nonlocal deleted, erased
        results = ModerationResult.objects.using(using)
        rows = list(
            results.filter(pk__gt=after)
            .annotate(
                has_text=_is(Q(text__isnull=False)),
                **_ages("created_at"),
            )
            .order_by("pk")
            .values("pk", "state_id", "generation", "has_text", "old", "very_old")[
                :CHUNK
            ]
        )
        states = _states({row["state_id"] for row in rows}, using)
        goes = [row["pk"] for row in rows if _is_over(row, states)]
        closed = [row["pk"] for row in rows if _is_closed(row, states)]
        # The bulk of them at once; what was read a moment ago can only have aged.
        deleted += results.filter(pk__in=goes).delete()[0] if goes else 0
        erased += results.filter(pk__in=closed).erase_texts() if closed else 0
        # Keys grow with time: behind the first young result all are young.
        ended = len(rows) < CHUNK or not (rows[-1]["old"] or rows[-1]["very_old"])
        return None if ended else rows[-1]["pk"]

    _pass(f"results {using}", seconds, step)
    return deleted, erased


def purge_orphans(using: str, *, seconds: float = SECONDS) -> int:
    """Go on removing states whose object is gone by a way that sends no signal.

    Return how many. As after a delete that does send one, results stay, without text.
    """
    removed = 0

    def step(after: int) -> int | None:
        nonlocal removed
        states = ModerationState.objects.using(using).filter(pk__gt=after)
        rows = list(states.order_by("pk").only("model", "object_key")[:CHUNK])
        for moderation in registry:
            mine = [row for row in rows if row.model == moderation.label]
            there = _existing(moderation, {row.object_key for row in mine}, using)
            for row in mine:
                if row.object_key not in there:
                    removed += _remove(moderation, row, using)
        return rows[-1].pk if len(rows) == CHUNK else None

    _pass(f"orphans {using}", seconds, step)
    return removed


def _pass(name: str, seconds: float, step: Callable[[int], int | None]) -> None:
    until = time.monotonic() + seconds
    position = heartbeats.resume(name, EVERY)
    while position is not None:
        position = step(position)
        heartbeats.advance(name, position)
        if time.monotonic() >= until:
            break


def _ages(column: str) -> dict[str, Any]:
    """Whether ``column`` is further back than each retention, by the database."""
    return {
        name: _is(
            Q(pk__in=[])
            if days is None
            else Q(**{f"{column}__lt": DbNow() - timedelta(days=days)})
        )
        for name, days in (
            ("old", settings.KEEP_ALLOWED_DAYS),
            ("very_old", settings.KEEP_DECIDED_DAYS),
        )
    }


def _is(condition: Q) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(condition, output_field=BooleanField())


def _states(ids: Iterable[int], using: str) -> Mapping[int, Row]:
    rows = ModerationState.objects.using(using).filter(pk__in=list(ids))
    settled = Q(state__in=["done", "exempt"], decided_generation=F("generation"))
    by_machine = Q(decided_by="machine")
    annotated = rows.annotate(
        **_ages("decided_at"),
        allowed=_is(settled & by_machine & Q(decision="allow")),
        closed=_is(settled & ~(by_machine & Q(decision="review"))),
    )
    names = ("pk", "generation", "old", "very_old", "allowed", "closed")
    return {row["pk"]: row for row in annotated.values(*names)}


def _is_over(result: Row, states: Mapping[int, Row]) -> bool:
    state = states.get(result["state_id"])
    if state is None:
        return bool(result["very_old"])
    return bool(result["old"] and state["allowed"] and state["old"])


def _is_closed(result: Row, states: Mapping[int, Row]) -> bool:
    state = states.get(result["state_id"])
    if state is None or not result["has_text"] or not result["very_old"]:
        return False
    if result["generation"] < state["generation"]:
        return True
    return bool(state["closed"] and state["very_old"])


def _existing(moderation: ModelModeration, keys: set[str], using: str) -> set[str]:
    """Those of ``keys`` that still name an object, or might."""
    model = moderation.model
    pks, unreadable = [], set()
    for key in keys:
        try:
            pks.append(model._meta.pk.to_python(key))
        except ValidationError:
            # Of another kind than the model's keys are now: not ours to judge.
            unreadable.add(key)
    objects = every_object(model, using).order_by()
    found = objects.filter(pk__in=pks).values_list("pk", flat=True)
    return unreadable | {object_key(model, pk, using) for pk in found}


def _remove(moderation: ModelModeration, row: ModerationState, using: str) -> bool:
    names = {"model": row.model, "object_key": row.object_key}
    state = ModerationState.objects.using(using).filter(pk=row.pk)
    with transaction.atomic(using):
        # A write first: it locks the row on every database, and whoever puts an
        # object back under this key has to wait for it, or has been seen below.
        if not state.update(generation=F("generation")):
            return False
        if _existing(moderation, {row.object_key}, using):
            return False
        state.delete()
        ModerationResult.objects.using(using).filter(**names).erase_texts()
    return True
