"""Judging again what was judged: after a change of policy or version, and on demand.

Both kinds are bulk rounds: served after everybody who waits, they hide nothing while
they run (a decision stays in force until the next one comes) and never touch a
person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from ..models import DbNow, LogEntry, ModerationState, Policy
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
    for rows in _steps(redecidable(policy, using, since)):
        redecide_rows(plan, rows, using, counts)
        if progress is not None:
            progress(counts.seen)
    log_round("redecided", policy, using, by, counts)
    return counts


def redecide_rows(
    plan: Plan, rows: Sequence[ModerationState], using: str, counts: RoundCounts
) -> None:
    """One step of a round that re-decides."""
    # Also of an earlier round: after a roll back it has the answers of that version.
    stored = stored_verdicts(rows, using, fits=plan.can_use)
    for row in rows:
        verdicts = stored.get(row.pk, {})
        if plan.next_source(verdicts) is not None:
            counts.unanswered += 1
            continue
        decision = str(plan.decide(verdicts).value)
        # Compared and set in one: an edit or a person may have come first.
        written = redecidable(plan.slug, using).filter(
            pk=row.pk, generation=row.generation, round=row.round
        )
        changes: dict[str, Any] = {"policy_version": plan.version}
        if decision != row.decision:
            changes |= {"decision": decision, "decided_at": DbNow()}
        counts.changed += written.update(**changes) * ("decision" in changes)
    counts.seen += len(rows)


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
        reanalyze_rows(plan, rows, using, counts)
        if progress is not None:
            progress(counts.seen)
    log_round("reanalyzed", policy, using, by, counts)
    return counts


def reanalyze_rows(
    plan: Plan, rows: Sequence[ModerationState], using: str, counts: RoundCounts
) -> None:
    """One step of a round that asks again: put the rows up, after all who wait."""
    for row in rows:
        # One by one: a statement over many rows can deadlock with a host's own
        # transaction, and the host's save would be the victim (DESIGN §5).
        states = analyzable(plan.slug, using).filter(
            pk=row.pk, generation=row.generation
        )
        counts.changed += states.update(
            round=F("round") + 1,
            priority=BULK,
            **ModerationState.objects.afresh(),
        )
    counts.seen += len(rows)


def analyzable(
    policy: str,
    using: str,
    *,
    model: str | None = None,
    since: timedelta | datetime | None = None,
) -> Any:
    """What ``reanalyze`` would put up: nothing a person decided about this text."""
    rows = ModerationState.objects.using(using).filter(
        policy=policy, state__in=["done", "exhausted"]
    )
    rows = rows.exclude(decided_by="person", decided_generation=F("generation"))
    if model is not None:
        rows = rows.filter(model=model)
    if since is not None:
        rows = rows.filter(Q(decided_at__gte=_start(since)) | Q(state="exhausted"))
    return rows


def waiting(policy: str, using: str) -> Any:
    """What a round has put up, and nobody has come to yet."""
    return ModerationState.objects.using(using).filter(
        policy=policy,
        state="pending",
        priority__gte=BULK,
        decided_generation=F("generation"),
    )


def redecidable(
    policy: str, using: str, since: timedelta | datetime | None = None
) -> Any:
    """What ``redecide`` looks at: the machine's decisions about texts as they are."""
    rows = ModerationState.objects.using(using).filter(
        policy=policy,
        state="done",
        decided_by="machine",
        decided_generation=F("generation"),
    )
    return rows if since is None else rows.filter(decided_at__gte=_start(since))


def call_off(policy: str, using: str, *, by: str) -> int:
    """End a round early: what still waits keeps the decision it has."""
    ended: int = waiting(policy, using).update(state="done")
    LogEntry.objects.using(using).create(
        event="round_called_off", actor_key=by, subject=policy, details={"rows": ended}
    )
    return ended


def log_round(
    event: str, policy: str, using: str, by: str, counts: RoundCounts
) -> None:
    """The one entry that a round leaves."""
    version = Policy.objects.filter(slug=policy).values_list("version", flat=True)
    LogEntry.objects.using(using).create(
        event=event,
        actor_key=by,
        subject=policy,
        details={
            "policy_version": version.first(),
            "seen": counts.seen,
            "changed": counts.changed,
            "unanswered": counts.unanswered,
        },
    )


def _start(since: timedelta | datetime) -> Any:
    return since if isinstance(since, datetime) else DbNow() - since


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
