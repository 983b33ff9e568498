"""A bulk round that a person asked for goes on by itself, a step at a time.

    ask → advance … → its end, or stop

The row is all there is of it, so whoever keeps house can go on with it. What it does
in a step is in ``rounds``.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from ..exceptions import RefusedError
from ..models import BulkRound, DbNow, LogEntry, ModerationState, Policy
from . import rounds
from .heartbeats import lead
from .plans import Plan, load_plan
from .rounds import RoundCounts

Kind = BulkRound.Kind

_EVENTS = {Kind.REDECIDE: "redecided", Kind.REANALYZE: "reanalyzed"}


def ask(
    policy: str, kind: str, using: str, *, by: str, since: timedelta | None = None
) -> BulkRound:
    """Have the earlier texts of ``policy`` judged again; one that runs ends by this.

    ``since`` limits it to texts decided within that time. Nothing is judged yet: that
    is what ``advance`` does. Raise RefusedError where somebody asks at the same time.
    """
    running = BulkRound.objects.using(using).filter(live_policy=policy).first()
    newest = ModerationState.objects.using(using).order_by("-pk")
    try:
        with transaction.atomic(using):
            if running is not None:
                _end(running, using)
            asked = BulkRound.objects.using(using).create(
                policy=policy,
                live_policy=policy,
                kind=kind,
                since=None if since is None else DbNow() - since,
                last=0,
                asked_by=by,
            )
            last = newest.values_list("pk", flat=True).first() or 0
            BulkRound.objects.using(using).filter(pk=asked.pk).update(last=last)
            LogEntry.objects.using(using).create(
                event="round_asked",
                actor_key=by,
                subject=policy,
                to_value=kind,
                details={"days": since and since.days},
            )
    except IntegrityError:
        raise RefusedError(
            _("Somebody has just asked for a round of %s: look at it first.") % policy
        ) from None
    asked.refresh_from_db(using=using)
    return asked


def running(using: str, policy: str | None = None) -> list[BulkRound]:
    """The rounds that go on, of ``policy`` or of all."""
    rows = BulkRound.objects.using(using).filter(live_policy__isnull=False)
    return list(rows if policy is None else rows.filter(live_policy=policy))


def advance(using: str, *, seconds: float = 5.0) -> int:
    """Go on with the rounds of ``using``, each a step at least, until ``seconds`` are
    over; return how many rows were looked at.

    A round of a policy that is off or can't decide waits. Two at once, which a lease
    keeps apart, would waste queries and count twice.
    """
    until = time.monotonic() + seconds
    seen = 0
    found = running(using)
    if not found:
        return 0
    with lead("rounds") as leading:
        for row in found if leading else ():
            plan = load_plan(row.policy)
            if plan is None and not Policy.objects.filter(slug=row.policy).exists():
                _end(row, using)
            if plan is None or plan.problem:
                continue
            while (counts := _step(row, plan, using)) is not None:
                seen += counts.seen
                if time.monotonic() >= until:
                    break
    return seen


def stop(policy: str, using: str, *, by: str) -> int:
    """End the round of ``policy`` early; return how many texts keep the decision that
    they waited to have replaced."""
    for row in running(using, policy):
        _end(row, using)
    return rounds.call_off(policy, using, by=by)


def _step(row: BulkRound, plan: Plan, using: str) -> RoundCounts | None:
    """Look at the next rows; None where there are none, or the round is over."""
    counts = RoundCounts()
    if row.kind == Kind.REDECIDE:
        rows = rounds.redecidable(row.policy, using, row.since)
    else:
        rows = rounds.analyzable(row.policy, using, since=row.since)
    rows = rows.filter(pk__gt=row.position, pk__lte=row.last).order_by("pk")
    step = list(rows[: rounds.STEP])
    if not step:
        _end(row, using)
        return None
    if row.kind == Kind.REDECIDE:
        rounds.redecide_rows(plan, step, using, counts)
    else:
        rounds.reanalyze_rows(plan, step, using, counts)
    # After the work: who dies in between leaves a step that is done twice, not never.
    mine = BulkRound.objects.using(using).filter(
        pk=row.pk, position=row.position, live_policy__isnull=False
    )
    written = mine.update(
        seen=F("seen") + counts.seen,
        changed=F("changed") + counts.changed,
        unanswered=F("unanswered") + counts.unanswered,
        position=step[-1].pk,
    )
    row.refresh_from_db(using=using)
    return counts if written else None


def _end(row: BulkRound, using: str) -> None:
    """Close the round and log what it did, once."""
    with transaction.atomic(using):
        live = BulkRound.objects.using(using).filter(
            pk=row.pk, live_policy__isnull=False
        )
        if not live.update(live_policy=None, ended_at=DbNow()):
            return
        row.refresh_from_db(using=using)
        counts = RoundCounts(
            seen=row.seen, changed=row.changed, unanswered=row.unanswered
        )
        event = _EVENTS[Kind(row.kind)]
        rounds.log_round(event, row.policy, using, row.asked_by, counts)
