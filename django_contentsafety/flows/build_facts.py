"""Whether builds and deletions go on by themselves, as facts of the survey."""

from __future__ import annotations

from django.db.models import Q

from ..models import BuildJob, Category, CategoryVersion, DbNow
from .facts import SWEEP_WITHIN, Fact
from .pacing import OVERDUE


def builds() -> Fact:
    live = BuildJob.objects.filter(status__in=BuildJob.LIVE)
    attention = Q(status=BuildJob.Status.NEEDS_ATTENTION)
    overdue = Q(overdue_at__lt=DbNow()) | Q(
        overdue_at__isnull=True, created_at__lt=DbNow() - OVERDUE
    )
    late = Q(next_poll_at__lt=DbNow() - SWEEP_WITHIN) & (
        Q(lease_until__isnull=True) | Q(lease_until__lt=DbNow() - SWEEP_WITHIN)
    )
    counts = {
        "need a person": live.filter(attention).count(),
        "last longer than a day": live.exclude(attention).filter(overdue).count(),
        "are due, and nobody goes on with them": live.exclude(attention)
        .filter(late)
        .exclude(overdue)
        .count(),
    }
    return _counted("builds", counts, "Builds", "No build needs anybody.")


def removals() -> Fact:
    versions = CategoryVersion.objects
    deleting = versions.filter(status=CategoryVersion.Status.DELETING)
    late = deleting.filter(removal_due_at__lt=DbNow() - SWEEP_WITHIN)
    failed = versions.filter(status=CategoryVersion.Status.DELETE_FAILED)
    overdue = deleting.filter(removal_since__lt=DbNow() - OVERDUE)
    counts = {
        "failed and need a person": failed.count(),
        "last longer than a day": overdue.count(),
        "are due, and nobody goes on with them": late.exclude(
            removal_since__lt=DbNow() - OVERDUE
        ).count(),
    }
    return _counted("removals", counts, "Deletions of versions", "None needs anybody.")


def gone_versions() -> Fact:
    """The versions that answer, and that their provider lists no more."""
    active = Category.objects.filter(active_version__isnull=False)
    gone = CategoryVersion.objects.filter(
        gone_at__isnull=False, pk__in=active.values("active_version")
    )
    names = [
        f"{name} v{number} ({provider})"
        for name, number, provider in gone.order_by("category__name").values_list(
            "category__name", "number", "provider"
        )
    ]
    words = (
        f"Active, and gone at the provider: {', '.join(names)}. Activate another "
        "version, or build one."
        if names
        else "No active version is known to be gone at its provider."
    )
    return Fact(name="gone_versions", ok=not names, value=len(names), words=words)


def _counted(name: str, counts: dict[str, int], what: str, none: str) -> Fact:
    total = sum(counts.values())
    found = [f"{count} {words}" for words, count in counts.items() if count]
    words = f"{what}: {'; '.join(found)}. The admin says what to do." if found else none
    return Fact(name=name, ok=not total, value=total, words=words)
