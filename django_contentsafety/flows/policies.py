"""A policy is changed, or switched between live, shadow and off: recorded each time."""

from __future__ import annotations

from django.db import router, transaction
from django.db.models import Count, F, Q
from django.utils.translation import gettext as _

from ..decisions import DecisionValue
from ..exceptions import RefusedError
from ..models import LogEntry, ModerationState, Policy
from .plans import explain_problem
from .upkeep import databases

HIDDEN = (DecisionValue.REVIEW, DecisionValue.BLOCK)


def switch_mode(policy: Policy, mode: str, *, by: str) -> None:
    """Put ``policy`` into ``mode`` and log from → to; the mode it has is no change.

    Raise RefusedError for a word that is no mode, where the policy is gone, and where
    it should go live but can't decide anything. Nothing is stored then. Whoever calls
    this wakes the databases afterwards: under *off* texts have waited.
    """
    if mode not in Policy.Mode.values:
        raise RefusedError(
            _("“%(mode)s” is no mode: use %(modes)s.")
            % {"mode": mode, "modes": ", ".join(Policy.Mode.values)}
        )
    using = router.db_for_write(Policy)
    rows = Policy.objects.using(using).filter(pk=policy.pk)
    with transaction.atomic(using):
        # A write first: two switches wait for each other, so each logs what it found.
        if not rows.update(version=F("version")):
            raise RefusedError(_("The policy %s is gone.") % policy.slug)
        policy.refresh_from_db(using=using)
        before = policy.mode
        if before == mode:
            return
        if mode == Policy.Mode.LIVE and (problem := explain_problem(policy)):
            raise RefusedError(
                _("%(policy)s can't go live: %(problem)s")
                % {"policy": policy.slug, "problem": problem}
            )
        rows.update(mode=mode)
        LogEntry.objects.using(using).create(
            event="policy_mode",
            actor_key=by,
            subject=policy.slug,
            from_value=before,
            to_value=mode,
            details={"version": policy.version},
        )
    policy.mode = mode


def record_change(policy: Policy, *, by: str, **details: object) -> None:
    """Raise the policy's version, because its rules or blocklists were changed.

    Call it in the transaction of the change. ``details`` are codes and ids for the
    log: never a term, never a text.
    """
    using = router.db_for_write(Policy)
    rows = Policy.objects.using(using).filter(pk=policy.pk)
    rows.update(version=F("version") + 1)
    policy.version = rows.values_list("version", flat=True).get()
    LogEntry.objects.using(using).create(
        event="policy_changed",
        actor_key=by,
        subject=policy.slug,
        details={"version": policy.version, **details},
    )


def was_used(policy: Policy) -> bool:
    """Whether the policy has decided anything yet, in whatever database."""
    return any(
        ModerationState.objects.using(using)
        .filter(policy=policy.slug, decided_generation__gt=0)
        .exists()
        for using in databases()
    )


def would_have_hidden(policy: Policy) -> tuple[int, int]:
    """(held or blocked, decided) among the texts as they are now, in all databases.

    A database that doesn't answer is left out, and logged.
    """
    hidden = decided = 0
    for using in databases():
        row = ModerationState.objects.using(using).filter(
            policy=policy.slug,
            decided_generation=F("generation"),
        )
        counts = row.exclude(state="exempt").aggregate(
            hidden=Count("pk", filter=Q(decision__in=HIDDEN)), decided=Count("pk")
        )
        hidden += counts["hidden"]
        decided += counts["decided"]
    return hidden, decided
