"""Judging again what was judged: after a change of policy or version, and on demand.

Both kinds are bulk rounds: served after everybody who waits, they hide nothing while
they run (a decision stays in force until the next one comes) and never touch a
person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, Q

from ..models import DbNow, LogEntry, ModerationState
from ..models.claims import BULK
from .completing import stored_verdicts
from .plans import Plan, load_plan

#: Rows of one step; a stop between two steps loses nothing.
STEP = 500

#: Called with how many rows have been looked at.
Progress = Callable[[int], None]


@dataclass(slots=True)
class RoundCounts:
    """What a round did, in rows."""

    seen: int = 0
    #: Re-decided to something else, or put up for another analysis.
    changed: int = 0
    #: Not re-decided: the stored answers lack something the rules ask for.
    unanswered: int = 0


def redecide(
    policy: str,
    using: str,
    *,
    by: str,
    since: timedelta | None = None,
    progress: Progress | None = None,
) -> RoundCounts:
    """Apply the rules as they are now to the stored answers: no provider is asked.

    ``since`` limits it to texts decided within that time. Raise KeyError where the
    policy is off or unknown.
    """
    plan = _plan(policy)
    counts = RoundCounts()
    for rows in _steps(_machine_decided(policy, using, since)):
        stored = stored_verdicts(rows, using)
        for row in rows:
            verdicts = {
                name: verdict
                for name, verdict in stored.get(row.pk, {}).items()
                if plan.is_current(verdict)
            }
            if plan.next_source(verdicts) is not None:
                counts.unanswered += 1
                continue
            decision = str(plan.decide(verdicts).value)
            # Compared and set in one: an edit or a person may have come first.
            written = _machine_decided(policy, using, None).filter(
                pk=row.pk, generation=row.generation, round=row.round
            )
            changes: dict[str, Any] = {"policy_version": plan.version}
            if decision != row.decision:
                changes |= {"decision": decision, "decided_at": DbNow()}
            counts.changed += written.update(**changes) * ("decision" in changes)
        counts.seen += len(rows)
        if progress is not None:
            progress(counts.seen)
    _log("redecided", plan, using, by, counts)
    return counts


def reanalyze(
    policy: str,
    using: str,
    *,
    by: str,
    model: str | None = None,
    since: timedelta | None = None,
    progress: Progress | None = None,
) -> RoundCounts:
    """Put decided and exhausted texts up for another round of analysis.

    The drain serves them last. Raise KeyError where the policy is off or unknown.
    """
    plan = _plan(policy)
    counts = RoundCounts()
    for rows in _steps(analyzable(policy, using, model=model, since=since)):
        for row in rows:
            # One by one: a statement over many rows can deadlock with a host's own
            # transaction, and the host's save would be the victim (DESIGN §5).
            states = analyzable(policy, using).filter(
                pk=row.pk, generation=row.generation
            )
            counts.changed += states.update(
                round=F("round") + 1,
                priority=BULK,
                **ModerationState.objects.afresh(),
            )
        counts.seen += len(rows)
        if progress is not None:
            progress(counts.seen)
    _log("reanalyzed", plan, using, by, counts)
    return counts


def analyzable(
    policy: str,
    using: str,
    *,
    model: str | None = None,
    since: timedelta | None = None,
) -> Any:
    """What ``reanalyze`` would put up: nothing a person decided about this text."""
    rows = ModerationState.objects.using(using).filter(
        policy=policy, state__in=["done", "exhausted"]
    )
    rows = rows.exclude(decided_by="person", decided_generation=F("generation"))
    if model is not None:
        rows = rows.filter(model=model)
    if since is not None:
        rows = rows.filter(Q(decided_at__gte=DbNow() - since) | Q(state="exhausted"))
    return rows


def call_off(policy: str, using: str, *, by: str) -> int:
    """End a round early: what still waits keeps the decision it has."""
    waiting = ModerationState.objects.using(using).filter(
        policy=policy,
        state="pending",
        priority__gte=BULK,
        decided_generation=F("generation"),
    )
    ended: int = waiting.update(state="done")
    LogEntry.objects.using(using).create(
        event="round_called_off", actor_key=by, subject=policy, details={"rows": ended}
    )
    return ended


def _machine_decided(policy: str, using: str, since: timedelta | None) -> Any:
    rows = ModerationState.objects.using(using).filter(
        policy=policy,
        state="done",
        decided_by="machine",
        decided_generation=F("generation"),
    )
    return rows if since is None else rows.filter(decided_at__gte=DbNow() - since)


def _steps(rows: Any) -> Iterator[list[ModerationState]]:
    """Walk by key: rows that leave the set meanwhile shift nothing."""
    last = 0
    while step := list(rows.filter(pk__gt=last).order_by("pk")[:STEP]):
        yield step
        last = step[-1].pk


def _plan(policy: str) -> Plan:
    plan = load_plan(policy)
    if plan is None:
        raise KeyError(policy)
    return plan


def _log(event: str, plan: Plan, using: str, by: str, counts: RoundCounts) -> None:
    LogEntry.objects.using(using).create(
        event=event,
        actor_key=by,
        subject=plan.slug,
        details={
            "policy_version": plan.version,
            "seen": counts.seen,
            "changed": counts.changed,
            "unanswered": counts.unanswered,
        },
    )
