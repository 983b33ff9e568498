"""What must be so once housekeeping has come by, wherever the process ended."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django_contentsafety.documents import Document, every_object, object_key
from django_contentsafety.models import (
    Action,
    DbNow,
    LogEntry,
    ModerationResult,
    ModerationState,
    Review,
)
from tests.crashes import site
from tests.model.memory import KINDS, oracle
from tests.quiesce import quiesce


def check_saved(using: str) -> None:
    """Before any housekeeping: a save and its row were one transaction."""
    _check_objects(using, settled=False)


def check(using: str) -> None:
    """Lost 0, double 0; nothing rolled back is moderated; people's words stand."""
    quiesce(using, [kind for kind in KINDS if every_object(kind, using).exists()])
    _check_objects(using, settled=True)
    _check_once(using)


def _check_objects(using: str, *, settled: bool) -> None:
    states = ModerationState.objects.using(using)
    rows = {(row.model, row.object_key, row.policy): row for row in states}
    seen = set()
    for kind in KINDS:
        moderation = site.moderation(kind)
        for obj in every_object(kind, using):
            for slug, fields in moderation.documents.items():
                place = (moderation.label, object_key(kind, obj.pk, using), slug)
                assert place in rows, "lost: an object without a row"
                row, document = rows[place], Document.of(fields, obj.__dict__)
                assert document.matches(row.content_hash, row.hash_key), "lost: a text"
                _check_row(row, obj, document, using, settled=settled)
                seen.add(place)
    assert rows.keys() == seen, "moderated: an object that is not there"


def _check_row(
    row: Any, obj: Any, document: Document, using: str, *, settled: bool
) -> None:
    if row.state == "exempt":
        assert obj.is_draft, "lost: a draft that was published"
        return
    if settled:
        assert row.state in ("done", "exhausted"), "lost: a row that still waits"
    if row.state == "done":
        assert row.is_decided
    reviews = Review.objects.using(using).filter(
        state_id=row.pk, generation=row.generation
    )
    names = {"model": row.model, "object_key": row.object_key}
    mine = LogEntry.objects.using(using).filter(**names, subject=row.policy)
    logged = [
        entry.to_value
        for entry in mine.filter(event="reviewed").order_by("pk")
        if entry.details["generation"] == row.generation
    ]
    said = [review.decision for review in reviews.order_by("pk")]
    # The decision, its record and its log entry: all or nothing.
    assert said == logged, "a review without its log entry"
    if said and not mine.filter(event="retried").exists():
        assert (row.decided_by, row.decision) == ("person", said[-1]), "overruled"
    elif row.is_decided and row.decided_by == "machine":
        possible = {oracle(document.text, rules) for rules in ("strict", "lenient")}
        assert row.decision in possible, "a decision on another text"
        results = ModerationResult.objects.using(using).filter(
            state_id=row.pk, generation=row.generation, is_stale=False
        )
        is_old = ModerationState.objects.using(using).filter(
            pk=row.pk, decided_at__lt=DbNow() - timedelta(days=1)
        )
        assert results.exists() or is_old.exists(), "a decision without a verdict"
    elif row.is_decided:
        assert said, "a person's decision without its review"


def _check_once(using: str) -> None:
    """Also held by the database, but for the log."""
    results = ModerationResult.objects.using(using).filter(is_stale=False)
    verdicts = results.values_list("state_id", "generation", "round", "source")
    actions = Action.objects.using(using).values_list("state_id", "generation", "kind")
    logged = LogEntry.objects.using(using).filter(event="decided")
    passes = [
        (
            entry.model,
            entry.object_key,
            entry.subject,
            entry.details["generation"],
            entry.details["round"],
        )
        for entry in logged
    ]
    for found in (list(verdicts), list(actions), passes):
        assert max(Counter(found).values(), default=0) <= 1, "double"
