"""What a moderated queryset's bulk writes do besides writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import QuerySet

from .documents import every_object
from .exceptions import BulkRefused
from .flows.reconcile import begin_again
from .flows.submit import submit
from .registry import registry

#: Objects loaded at once after the write.
CHUNK = 500


def refuse_blind_writes(
    queryset: QuerySet[Any], objs: Sequence[Any], args: Sequence[Any], options: Any
) -> None:
    """Raise BulkRefused where the keys of the written rows will not be known."""
    features = connections[queryset.db].features
    given = all(obj.pk is not None for obj in objs)
    if len(args) > 1 or options.get("ignore_conflicts"):
        why = "ignore_conflicts doesn't say which rows were written"
    elif not given and not features.can_return_rows_from_bulk_insert:
        why = "this database doesn't give the keys of a bulk insert back"
    else:
        return
    raise BulkRefused(
        f"bulk_create() can't submit {queryset.model.__name__} objects here: {why}. "
        "Save them one by one, give them keys, or leave them to the reconciler: "
        'bulk_create(objs, contentsafety="reconcile").'
    )


def submit_written(
    queryset: QuerySet[Any], pks: Sequence[Any], *, inserted: bool = False
) -> None:
    """Submit the objects with ``pks``, in the transaction that wrote them, and wake.

    ``inserted`` says that their rows are new, which saves a read each.
    """
    using = queryset.db
    hints: list[int] = []
    for start in range(0, len(pks), CHUNK):
        objects = every_object(queryset.model, using)
        chunk = objects.filter(pk__in=pks[start : start + CHUNK])
        for obj in chunk.order_by("pk"):
            for moderation in registry.covering(queryset.model):
                hints += submit(obj, moderation, using=using, inserted=inserted)
    _wake(using, hints)


def leave_to_reconciler(queryset: QuerySet[Any]) -> None:
    """The rows are unknown for now; the next sweep begins a pass."""
    for moderation in registry.covering(queryset.model):
        begin_again(moderation.label, queryset.db)


def _wake(using: str, hints: Sequence[int]) -> None:
    # Imported here: a host's models import this module, and Celery costs 118 ms.
    from . import tasks

    if hints:
        tasks.wake_after_commit(using, hints)
