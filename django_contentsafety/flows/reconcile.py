"""What signals never saw is found: objects without a state, and texts that moved on.

``bulk_create()``, ``update()``, fixtures and raw SQL write without a save. A pass walks
a model's objects by key, in short steps, compares each text with what its state was
made for, and submits what differs. The first complete pass ends the time in which an
unknown object is shown (``Coverage``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import F, Q

from ..documents import Document, every_object, object_key
from ..exceptions import describe
from ..models import Coverage, DbNow, ModerationState
from ..models.claims import BULK
from ..registry import ModelModeration, registry
from .submit import submit

logger = logging.getLogger(__name__)

#: Objects read at once, and in one call at most (reliability.md §7.3).
STEP, LIMIT = 500, 5000
#: From the start of one pass to the start of the next.
EVERY = timedelta(hours=24)


@dataclass(slots=True)
class Reconciled:
    """What a call did."""

    #: Objects looked at; none = no pass was due.
    seen: int = 0
    #: Objects submitted, by model label.
    found: dict[str, int] = field(default_factory=dict)


def reconcile(
    using: str,
    *,
    seconds: float = 5.0,
    limit: int = LIMIT,
    only: ModelModeration | None = None,
) -> Reconciled:
    """Go on with the passes that are due, of all models or ``only`` one.

    Bounded by ``seconds`` and ``limit`` objects. Where it stops is kept, so the next
    call, in whatever process, goes on there. Two at once only waste queries.
    """
    until = time.monotonic() + seconds
    done = Reconciled()
    for moderation in registry if only is None else [only]:
        for slug in moderation.documents:
            while done.seen < limit and time.monotonic() < until:
                coverage = _running(moderation.label, slug, using)
                if coverage is None:
                    break
                seen, submitted = _step(moderation, coverage, using)
                done.seen += seen
                if submitted:
                    before = done.found.get(moderation.label, 0)
                    done.found[moderation.label] = before + submitted
    for label, count in done.found.items():
        logger.info("The reconciler submitted %s objects of %s.", count, label)
    return done


def begin_again(label: str, using: str) -> None:
    """Something of the model was written unseen: its coverage is incomplete."""
    Coverage.objects.using(using).filter(model=label).update(
        cursor="", completed_at=None, pass_started_at=None, pass_ended_at=None
    )


def _running(label: str, slug: str, using: str) -> Coverage | None:
    """The pass to go on with; one is begun where it is time, else None."""
    rows = Coverage.objects.using(using)
    rows.get_or_create(model=label, policy=slug)
    mine = rows.filter(model=label, policy=slug)
    old = Q(pass_ended_at__isnull=False, pass_started_at__lt=DbNow() - EVERY)
    mine.filter(Q(pass_started_at__isnull=True) | old).update(
        cursor="", checked=0, found=0, pass_started_at=DbNow(), pass_ended_at=None
    )
    # A pass has seen every object; what it found must be judged before an object
    # without a state can be taken for one that hides. Asked only where it matters:
    # in a round of everything the answer is far away.
    seen_all = mine.filter(pass_ended_at__isnull=False, completed_at__isnull=True)
    if seen_all.exists() and not _backfill(label, slug, using).exists():
        seen_all.update(completed_at=DbNow(), was_complete=True)
    return mine.filter(pass_ended_at__isnull=True).first()


def _backfill(label: str, slug: str, using: str) -> Any:
    return (
        ModerationState.objects.using(using)
        .pending()
        .filter(model=label, policy=slug, priority__gte=BULK, decided_generation=0)
    )


def _step(
    moderation: ModelModeration, coverage: Coverage, using: str
) -> tuple[int, int]:
    """Look at the next objects; return how many, and how many were submitted."""
    model, fields = moderation.model, moderation.documents[coverage.policy]
    objects = every_object(model, using).order_by("pk")
    if coverage.cursor:
        objects = objects.filter(pk__gt=model._meta.pk.to_python(coverage.cursor))
    rows = list(objects.values("pk", *fields)[:STEP])
    keys = {object_key(model, row["pk"], using): row for row in rows}
    states = ModerationState.objects.using(using).filter(
        model=moderation.label, policy=coverage.policy, object_key__in=list(keys)
    )
    known = {state.object_key: state for state in states}
    exempt = {key for key, state in known.items() if state.state == "exempt"}
    published = _published(moderation, [keys[key]["pk"] for key in exempt], using)
    submitted = 0
    for key, row in keys.items():
        state = known.get(key)
        document = Document.of(fields, row)
        if (
            state is None
            or row["pk"] in published
            or not document.matches(state.content_hash, state.hash_key)
        ):
            submitted += _submit(moderation, row["pk"], using)
    mine = Coverage.objects.using(using).filter(pk=coverage.pk, cursor=coverage.cursor)
    mine.update(
        checked=F("checked") + len(rows),
        found=F("found") + submitted,
        pass_ended_at=None if len(rows) == STEP else DbNow(),
        cursor=list(keys)[-1] if len(rows) == STEP else "",
    )
    return len(rows), submitted


def _published(moderation: ModelModeration, pks: Sequence[Any], using: str) -> set[Any]:
    """Those of ``pks`` that were exempt, as drafts are, and should be moderated now."""
    if not pks:
        return set()
    objects = every_object(moderation.model, using).filter(pk__in=pks)
    return {obj.pk for obj in objects if moderation.should_moderate(obj)}


def _submit(moderation: ModelModeration, pk: Any, using: str) -> bool:
    """Submit one object under its row's lock, one transaction an object."""
    try:
        with transaction.atomic(using):
            ModerationState.objects.using(using).begin_write()
            objects = every_object(moderation.model, using).select_for_update()
            obj = objects.filter(pk=pk).first()
            return obj is not None and bool(
                submit(obj, moderation, using=using, bulk=True)
            )
    except DatabaseError as error:
        # Locked by the host, or gone: the next pass comes by again.
        logger.warning("Left out an object: %s.", describe(error))
        return False
