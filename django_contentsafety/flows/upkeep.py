"""The housekeeping that keeps the promises: sweep, due builds, what waits how long."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import DurationField, ExpressionWrapper, F, Min, Q

from ..conf import settings
from ..models import BuildJob, DbNow, Heartbeat, ModerationState, Policy
from ..registry import registry
from . import build
from .moderate import MAX_CRASHES

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SweepCounts:
    """What a sweep did, in rows."""

    freed: int = 0
    poisoned: int = 0
    too_old: int = 0


def sweep(using: str) -> SweepCounts:
    """Free what dead workers held, and put before a person what can't be checked.

    Idempotent; two at once only waste queries.
    """
    counts = SweepCounts()
    states = ModerationState.objects.using(using)
    lost = states.filter(state="leased", lease_until__lt=DbNow())
    counts.poisoned = lost.filter(crashes__gte=MAX_CRASHES - 1).update_free(
        crashes=F("crashes") + 1,
        exhausted_reason="poison",
        last_error_code="poison",
        lease_token="",
        lease_until=None,
        state="exhausted",
    )
    counts.freed = lost.filter(crashes__lt=MAX_CRASHES - 1).update_free(
        crashes=F("crashes") + 1,
        available_at=DbNow(),
        lease_token="",
        lease_until=None,
        state="pending",
    )
    old = timedelta(seconds=settings.MAX_AGE)
    counts.too_old = states.filter(
        # A text that nobody tried to check waits: for its policy, or for its turn.
        Q(attempts__gt=0) | ~Q(last_error_code=""),
        state="pending",
        first_pending_at__lt=DbNow() - old,
        # A text that was decided already only waits for another round.
        decided_generation__lt=F("generation"),
        policy__in=_answering(),
    ).update_free(
        exhausted_reason="max_age", last_error_code="max_age", state="exhausted"
    )
    return counts


def beat(name: str) -> None:
    """Note that the housekeeper ``name`` has just finished."""
    if not Heartbeat.objects.filter(name=name).update(beat_at=DbNow()):
        Heartbeat.objects.get_or_create(name=name)


def advance_builds() -> int:
    """Take every due build further; return how many there were."""
    jobs = build.due()
    for job in jobs:
        build.advance(job)
    return len(jobs)


def oldest_wait(using: str) -> timedelta | None:
    """How long the oldest undecided text has waited; None where none does."""
    row = (
        ModerationState.objects.using(using)
        .pending()
        .filter(policy__in=_answering(), decided_generation__lt=F("generation"))
        .aggregate(
            age=ExpressionWrapper(
                DbNow() - Min("first_pending_at"), output_field=DurationField()
            )
        )
    )
    age: timedelta | None = row["age"]
    return age


def databases() -> list[str]:
    """The aliases of moderated objects that answer; the others are logged."""
    from django.db import connections

    answering = []
    for alias in registry.databases():
        try:
            connections[alias].ensure_connection()
        except DatabaseError as error:
            logger.error("Skipped the database %s: %s.", alias, type(error).__name__)
        else:
            answering.append(alias)
    return answering


def failing_builds() -> list[BuildJob]:
    """Builds that wait for a person."""
    return list(
        BuildJob.objects.filter(
            Q(status=BuildJob.Status.NEEDS_ATTENTION)
        ).select_related("version__category")
    )


def _answering() -> list[str]:
    policies = Policy.objects.exclude(mode=Policy.Mode.OFF)
    return list(policies.values_list("slug", flat=True))
