"""A version goes out of use: retired, reinstated, deleted."""

from __future__ import annotations

from django.db.models import F
from django.utils.translation import gettext as _

from ..exceptions import RefusedError
from ..models import Category, CategoryVersion, LogEntry
from .activating import checked_reason
from .advancing import atomic

Status = CategoryVersion.Status


def retire(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Let ``version`` be chosen no more; it can be reinstated.

    Raise RefusedError where it is not ready, or answers now.
    """
    _move(version, [Status.READY], Status.RETIRED, by, reason)


def reinstate(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Let a retired version be chosen again. Raise RefusedError where it is none."""
    _move(version, [Status.RETIRED], Status.READY, by, reason)


def delete(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Delete what the provider keeps of ``version``; its number is never reused.

    Raise RefusedError where it answers now, or is being built.
    """
    idle = [Status.FROZEN, Status.READY, Status.FAILED, Status.RETIRED]
    _move(version, idle, Status.DELETED, by, reason, artifact=None)


def _move(
    version: CategoryVersion,
    before: list[Status],
    status: Status,
    by: str,
    reason: str,
    **changes: object,
) -> None:
    reason = checked_reason(reason)
    categories = Category.objects.filter(pk=version.category_id)
    with atomic():
        # A write first: whoever activates it meanwhile waits.
        categories.update(last_number=F("last_number"))
        version.refresh_from_db(fields=["status"])
        words = {"version": version, "status": version.get_status_display()}
        if categories.filter(active_version=version.pk).exists():
            raise RefusedError(
                _("%(version)s answers now: activate another version first.") % words
            )
        found = version.status
        rows = CategoryVersion.objects.filter(pk=version.pk, status__in=before)
        if not rows.update(**changes, status=status):
            raise RefusedError(
                _("%(version)s is %(status)s: that can't be done with it.") % words
            )
        LogEntry.objects.create(
            event=f"version_{status.value}",
            actor_key=by,
            subject=version.category.name,
            from_value=found,
            to_value=status.value,
            reason=reason,
            details={"version": version.number},
        )
    version.refresh_from_db(fields=["status"])
