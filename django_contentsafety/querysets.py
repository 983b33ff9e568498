"""What a reader may see. Hosts' models import this: it costs no Celery.

``visible(queryset, user)`` is the primary form; the queryset method and the template
tag call it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import (
    BooleanField,
    CharField,
    ExpressionWrapper,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Cast, Coalesce

from .bulk import leave_to_reconciler, refuse_blind_writes, submit_written
from .conf import settings
from .documents import user_key
from .models import Coverage, DbNow, ModerationState, Policy
from .models.claims import BULK
from .registry import registry

M = TypeVar("M", bound=Model)


#: What a pass over existing objects submitted and nobody has judged yet: as unknown as
#: an object without a state, until coverage is complete.
UNKNOWN = Q(priority__gte=BULK, generation=1, decided_generation=0)
#: What the first pass of all found: whatever a machine says of it, pages change once
#: that pass is complete, and not one text after the other.
FOUND_FIRST = Q(priority__gte=BULK, generation=1, round=0) & ~Q(decided_by="person")


def visible(queryset: QuerySet[M], user: Any = None) -> QuerySet[M]:
    """Only what ``user`` (None = a stranger) may see under every live policy.

    A text is shown where the decision in force is *allow*; while there is none, as the
    policy says for pending, outage and exhausted ones. Where a policy shows pending
    texts to their author, an author also sees their own held or blocked texts. An
    object no state knows is shown until a full pass has seen every object.

    Costs one query for the policies and one for their coverage, then a subquery a
    policy, always on the queryset's own database.
    """
    using = queryset.db
    for moderation in registry.covering(queryset.model):
        documents = list(moderation.documents)
        policies = list(
            Policy.objects.filter(slug__in=documents, mode=Policy.Mode.LIVE)
        )
        if not policies:
            continue
        coverage = Coverage.objects.using(using).filter(
            model=moderation.label, policy__in=documents
        )
        passes = list(coverage.values_list("policy", "completed_at", "was_complete"))
        covered = {slug for slug, completed_at, _ in passes if completed_at}
        settled = {slug for slug, _, was_complete in passes if was_complete}
        key = OuterRef(moderation.model._meta.pk.attname)
        rows = ModerationState.objects.filter(
            model=moderation.label,
            object_key=Cast(key, CharField(max_length=255)),
        )
        for policy in policies:
            shown = shows(policy, user)
            open_to_all = (
                policy.on_unknown == Policy.Unknown.SHOW and policy.slug not in covered
            )
            if open_to_all:
                shown |= UNKNOWN if policy.slug in settled else FOUND_FIRST
            # No EXISTS: PostgreSQL makes a join of it, expects few matches and reads
            # both tables for a page of 50. A value it looks up row by row.
            says = rows.filter(policy=policy.slug).values_list(
                ExpressionWrapper(shown, BooleanField())
            )
            queryset = queryset.filter(Coalesce(Subquery(says), Value(open_to_all)))
    return queryset


def shows(policy: Policy, user: Any = None) -> Q:
    """The states under ``policy`` whose object ``user`` may see."""
    decided = Q(decided_generation=F("generation"))
    shown = Q(state="exempt") | (decided & Q(decision="allow"))
    undecided = ~decided & ~Q(state="exempt")
    waiting = undecided & ~Q(state="exhausted")
    late = Q(first_pending_at__lt=DbNow() - timedelta(seconds=settings.OUTAGE_AFTER))
    shown |= waiting & _pending(policy, late)
    if policy.on_exhausted == Policy.Exhausted.SHOW:
        shown |= undecided & Q(state="exhausted")
    key = user_key(user) if getattr(user, "is_authenticated", True) else ""
    if key and policy.on_pending == Policy.Pending.AUTHOR_ONLY:
        shown |= Q(author_key=key)
    return shown


def _pending(policy: Policy, late: Q) -> Q:
    nothing, everything = Q(pk__in=[]), ~Q(pk__in=[])
    meanwhile = {
        Policy.Pending.SHOW: everything,
        Policy.Pending.SHOW_PREVIOUS: Q(decision="allow"),
    }.get(Policy.Pending(policy.on_pending), nothing)
    if policy.on_outage == Policy.Outage.SAME_AS_PENDING:
        return meanwhile
    outage = everything if policy.on_outage == Policy.Outage.SHOW else nothing
    return (~late & meanwhile) | (late & outage)


class ModeratedQuerySet(QuerySet[M]):
    """For hosts' managers: ``objects = ModeratedQuerySet.as_manager()``.

    Its bulk writes submit what they write, in the same transaction. Where many rows are
    written at once and the moment doesn't matter, ``contentsafety="reconcile"`` leaves
    them to the reconciler instead: they then count as unknown until it came by.
    """

    def visible(self, user: Any = None) -> Any:
        """See ``visible``."""
        return visible(self, user)

    def bulk_create(
        self,
        objs: Iterable[M],
        *args: Any,
        contentsafety: str = "submit",
        **kwargs: Any,
    ) -> list[M]:
        """Create, and submit each object.

        Raise BulkRefused where the database can't say which rows it wrote.
        """
        write = super().bulk_create
        self._for_write = True
        if not (settings.ENABLED and registry.covering(self.model)):
            return write(objs, *args, **kwargs)
        objs = list(objs)
        if contentsafety == "reconcile":
            created = write(objs, *args, **kwargs)
            leave_to_reconciler(self)
            return created
        refuse_blind_writes(self, objs, args, kwargs)
        with transaction.atomic(self.db):
            created = write(objs, *args, **kwargs)
            new = not kwargs.get("update_conflicts")
            submit_written(self, [obj.pk for obj in created], inserted=new)
        return created

    async def abulk_create(
        self, objs: Iterable[M], *args: Any, **kwargs: Any
    ) -> list[M]:
        return await sync_to_async(self.bulk_create)(objs, *args, **kwargs)

    def update(self, *, contentsafety: str = "submit", **kwargs: Any) -> int:
        """Update, and submit each object of which a field was written that counts.

        ``bulk_update()`` comes through here as well.
        """
        self._for_write = True
        if not _is_looked_at(self.model, kwargs):
            return super().update(**kwargs)
        if contentsafety == "reconcile":
            updated = super().update(**kwargs)
            leave_to_reconciler(self)
            return updated
        with transaction.atomic(self.db):
            ModerationState.objects.using(self.db).begin_write()
            # The filter may not find them again after the write.
            pks = list(self.order_by().values_list("pk", flat=True))
            updated = super().update(**kwargs)
            submit_written(self, pks)
        return updated

    # Templates must not call them.
    update.alters_data = True  # type: ignore[attr-defined]
    bulk_create.alters_data = True  # type: ignore[attr-defined]


def _is_looked_at(model: type[Model], written: Mapping[str, Any]) -> bool:
    """Whether writing these fields may change a text, or whether it is moderated."""
    return settings.ENABLED and any(
        moderation.looked_at is None or not moderation.looked_at.isdisjoint(written)
        for moderation in registry.covering(model)
    )
