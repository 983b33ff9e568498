"""A waiting row becomes a decision: the second half of the moderation story.

    claim → read the texts → ask the plan's sources → lock the objects, hash their
    texts again → store the results and the decisions.

A flow never enqueues: it returns counts, and writes when a row is due again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from django.db.models import Q

from ..conf import settings
from ..models import ModerationState
from ..registry import registry
from .claiming import Lease, shares
from .plans import Plan, load_plans
from .working import DrainCounts, ask, finish, read

#: Ids of one wake-up that are taken first; the others are due rows like any.
MAX_HINTS = 500


def drain(
    using: str,
    *,
    seconds: float | None = None,
    hints: Sequence[int] = (),
    plans: Mapping[str, Plan] | None = None,
    nowait: bool = False,
    limit: int | None = None,
) -> DrainCounts:
    """Work on due rows of ``using`` until there are none or ``seconds`` are over.

    ``hints`` are ids to take first. ``nowait`` never waits for a lock. The bound is
    looked at between batches of ``limit`` rows.
    """
    counts = DrainCounts()
    plans = load_plans() if plans is None else plans
    ready = {slug: plan for slug, plan in plans.items() if not plan.problem}
    if not ready:
        return counts
    limit = limit or settings.BATCH_SIZE
    until = time.monotonic() + (settings.DRAIN_SECONDS if seconds is None else seconds)
    states = ModerationState.objects.using(using).filter(_named_in_code())
    lease = settings.LEASE_SECONDS
    only: Sequence[int] | None = list(hints[:MAX_HINTS]) or None
    while time.monotonic() < until:
        found = 0
        for share in shares(ready, limit, states):
            rows = states.claim(
                policies=share.policies,
                limit=share.room,
                lease=lease,
                only=only,
                bulk=share.bulk,
            )
            found += len(rows)
            keep = Lease(rows, using).keep
            cases = read(rows, using, counts)
            ask(cases, ready, bulk=bool(share.bulk), keep=keep)
            finish(cases, ready, using, counts, nowait=nowait, keep=keep)
        counts.claimed += found
        if not found:
            if only is None:
                break
            only = None
    return counts


def _named_in_code() -> Q:
    """Rows of a model or policy that was taken out of the code wait for its return."""
    named = Q(pk__in=[])
    for moderation in registry:
        named |= Q(model=moderation.label, policy__in=list(moderation.documents))
    return named
