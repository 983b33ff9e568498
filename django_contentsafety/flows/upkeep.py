"""The housekeeping that keeps the promises: drain, sweep, builds, purge, in one tick.

A tick is what beat, cron and the worker each run. Its steps are independent: one that
fails, or a database that is down, keeps no other from running.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, connections
from django.db.models import DurationField, ExpressionWrapper, F, Min, Q

from ..conf import settings
from ..exceptions import describe
from ..models import DbNow, ModerationState, Policy
from ..registry import registry
from . import build, bulk_rounds, listings, measuring, removing
from .heartbeats import beat, lead
from .moderate import drain
from .purge import purge_orphans, purge_results
from .reconcile import reconcile
from .working import MAX_CRASHES, DrainCounts

__all__ = [
    "Tick",
    "advance_builds",
    "answering",
    "beat",
    "databases",
    "oldest_wait",
    "sweep",
    "tick",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Of a tick for builds (reliability.md §7.3: a step takes 5 s at most).
BUILD_SECONDS = 5.0


@dataclass(slots=True)
class SweepCounts:
    """What a sweep did, in rows."""

    freed: int = 0
    poisoned: int = 0
    too_old: int = 0
    #: Results deleted, and texts removed from results, after their retention.
    purged: int = 0
    erased: int = 0
    #: States whose object was gone.
    orphans: int = 0
    #: Objects that no signal had told of.
    found: int = 0
    #: Texts that bulk rounds looked at.
    judged_again: int = 0


@dataclass(slots=True)
class Tick:
    """What one tick did, by alias, and what it could not do."""

    drained: dict[str, DrainCounts] = field(default_factory=dict)
    swept: dict[str, SweepCounts] = field(default_factory=dict)
    #: Builds, deletions and cards of versions that were taken further.
    builds: int = 0
    #: Steps that failed, in words for a log: no text, no key.
    failures: list[str] = field(default_factory=list)

    @property
    def claimed(self) -> int:
        """How many rows were worked on."""
        return sum(counts.claimed for counts in self.drained.values())

    def attempt(self, step: str, function: Callable[[], T]) -> T | None:
        """Run one step; None where it failed, which is logged and kept."""
        try:
            return function()
        except Exception as error:
            self.failures.append(f"{step}: {describe(error)}")
            logger.error("Housekeeping failed: %s: %s.", step, describe(error))
            return None


def tick(
    *,
    seconds: float | None = None,
    aliases: Collection[str] | None = None,
    sweeping: bool = True,
) -> Tick:
    """Drain each database, then sweep it and advance builds. Never raises.

    ``seconds`` bound each database's drain (``CONTENTSAFETY_DRAIN_SECONDS``);
    ``aliases`` are those to work on, else all that answer. Of several at once one
    sweeps, all drain. ``sweeping=False`` drains and goes on with builds only, and
    leaves no heartbeat.
    """
    done = Tick()
    if aliases is None:
        aliases = databases(done.failures)
    for using in aliases:
        step = f"{using}: drain"
        counts = done.attempt(step, partial(drain, using, seconds=seconds))
        if counts is not None:
            done.drained[using] = counts
    if not sweeping:
        # Nobody who asked for a build should wait for the next sweep.
        done.builds = done.attempt("builds", advance_builds) or 0
        return done
    if done.drained:
        done.attempt("heartbeat", partial(beat, "drain"))
    with lead("sweep") as leading:
        if leading:
            _sweep_all(done, aliases)
    return done


def sweep(using: str) -> SweepCounts:
    """Free what dead workers held, and put before a person what can't be checked.

    Idempotent; two at once only waste queries.
    """
    counts = SweepCounts()
    free_leases(using, counts)
    exhaust_old(using, counts)
    return counts


def free_leases(using: str, counts: SweepCounts) -> None:
    """Let what dead workers held be due again; what keeps killing them goes to a
    person."""
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


def exhaust_old(using: str, counts: SweepCounts) -> None:
    """Put before a person what has waited for longer than ``CONTENTSAFETY_MAX_AGE``."""
    old = timedelta(seconds=settings.MAX_AGE)
    counts.too_old = (
        ModerationState.objects.using(using)
        .filter(
            # A text that nobody tried to check waits: for its policy, or for its turn.
            Q(attempts__gt=0) | ~Q(last_error_code=""),
            state="pending",
            first_pending_at__lt=DbNow() - old,
            # A text that was decided already only waits for another round.
            decided_generation__lt=F("generation"),
            policy__in=answering(),
        )
        .update_free(
            exhausted_reason="max_age", last_error_code="max_age", state="exhausted"
        )
    )


def find_unseen(using: str, counts: SweepCounts) -> None:
    """Go on submitting what no signal told of."""
    counts.found = sum(reconcile(using).found.values())


def purge(using: str, counts: SweepCounts) -> None:
    """Go on deleting results and texts after their retention."""
    counts.purged, counts.erased = purge_results(using)


def remove_orphans(using: str, counts: SweepCounts) -> None:
    """Go on removing states of objects that are gone."""
    counts.orphans = purge_orphans(using)


def go_on_with_rounds(using: str, counts: SweepCounts) -> None:
    """Take the rounds that people asked for further."""
    counts.judged_again = bulk_rounds.advance(using)


#: What the one sweeper does in each database.
STEPS: Mapping[str, Callable[[str, SweepCounts], None]] = {
    "leases": free_leases,
    "age": exhaust_old,
    "reconcile": find_unseen,
    "purge": purge,
    "orphans": remove_orphans,
    "rounds": go_on_with_rounds,
}


def advance_builds() -> int:
    """Take due builds, deletions and cards further; return how many.

    For ``BUILD_SECONDS``, and the one that is at work then: texts wait meanwhile. One
    that fails by a fault of the database keeps no other from going on.
    """
    until = time.monotonic() + BUILD_SECONDS
    steps = [partial(build.advance, job) for job in build.due()]
    steps += [partial(removing.advance, version) for version in removing.due()]
    steps += [partial(measuring.advance, card) for card in measuring.due()]
    count = 0
    failed: DatabaseError | None = None
    for step in steps:
        try:
            count += step()
        except DatabaseError as error:
            failed = error
        if time.monotonic() > until:
            break
    if failed is not None:
        raise failed
    return count


def oldest_wait(using: str) -> timedelta | None:
    """How long the oldest undecided text has waited; None where none does."""
    row = (
        ModerationState.objects.using(using)
        .pending()
        .filter(policy__in=answering(), decided_generation__lt=F("generation"))
        .aggregate(
            age=ExpressionWrapper(
                DbNow() - Min("first_pending_at"), output_field=DurationField()
            )
        )
    )
    age: timedelta | None = row["age"]
    return age


def answering() -> list[str]:
    """The policies that decide or shall: those that are not off."""
    policies = Policy.objects.exclude(mode=Policy.Mode.OFF)
    return list(policies.values_list("slug", flat=True))


def databases(skipped: list[str] | None = None) -> list[str]:
    """The aliases of moderated objects that answer; the others are logged, and noted
    in ``skipped``."""
    answering = []
    for alias in registry.databases():
        try:
            connections[alias].ensure_connection()
        except DatabaseError as error:
            logger.error("Skipped the database %s: %s.", alias, type(error).__name__)
            if skipped is not None:
                skipped.append(f"{alias}: can't be opened: {type(error).__name__}")
        else:
            answering.append(alias)
    return answering


def _sweep_all(done: Tick, aliases: Collection[str]) -> None:
    before = len(done.failures)
    for using in aliases:
        counts = done.swept[using] = SweepCounts()
        for name, step in STEPS.items():
            done.attempt(f"{using}: {name}", partial(step, using, counts))
    done.builds = done.attempt("builds", advance_builds) or 0
    done.attempt("compare", listings.compare_due)
    # A sweep that fails must not look like one that was there.
    if len(done.failures) == before:
        done.attempt("heartbeat", partial(beat, "sweep"))
