"""Let everything that was begun come to rest, as a site's housekeeping does in time."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta
from itertools import count

from django.db.models import Model, Q

from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.purge import purge_orphans
from django_contentsafety.flows.reconcile import begin_again, reconcile
from django_contentsafety.flows.upkeep import sweep
from django_contentsafety.models import DbNow, Heartbeat, ModerationState
from django_contentsafety.registry import registry
from tests.policies import make_due

#: Seconds: a database frees a dead connection's locks soon, but not at once.
PATIENCE = 20.0
#: Times around: a row may be freed, and left to another one, more than once.
TIMES = 3


def expire_leases(using: str) -> None:
    """The workers that hold rows died long ago."""
    ModerationState.objects.using(using).filter(state="leased").update(
        lease_until=DbNow() - timedelta(seconds=1)
    )


def reconcile_all(using: str, models: Collection[type[Model]]) -> None:
    """One pass of the reconciler over every object of ``models``, from the start."""
    for model in models:
        moderation = registry.get(model)
        assert moderation is not None
        begin_again(moderation.label, using)
        reconcile(using, seconds=PATIENCE, only=moderation)


def purge_all_orphans(using: str) -> None:
    """One pass over every state, from the start."""
    Heartbeat.objects.filter(name=f"orphans {using}").delete()
    purge_orphans(using)


def unsettled(using: str) -> int:
    """How many rows still wait for a machine."""
    waiting = Q(state__in=["pending", "leased"])
    return ModerationState.objects.using(using).filter(waiting).count()


def quiesce(
    using: str, models: Collection[type[Model]], *, patience: float = PATIENCE
) -> None:
    """Leases end, a sweep and whole passes come by, and the queue is worked off.

    A few times over, and then for ``patience`` seconds; assert that nothing waits.
    """
    until = time.monotonic() + patience
    reconcile_all(using, models)
    purge_all_orphans(using)
    for times in count(1):
        expire_leases(using)
        sweep(using)
        make_due(using)
        drain(using, seconds=PATIENCE)
        if not (left := unsettled(using)):
            return
        late = times >= TIMES and time.monotonic() > until
        assert not late, f"{left} rows are still waiting"
