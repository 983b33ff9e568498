"""Once a day each provider is asked what it keeps, and what has gone is marked.

A version that answers, and that its provider has no more, is the worst that a listing
can show: ``contentsafety_check`` says so, and every page of the version.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet

from ..exceptions import InvalidProvider, ProviderError, RefusedError, describe
from ..models import CategoryVersion, DbNow
from ..providers import Provider, providers
from . import heartbeats
from .entries import atomic, log

logger = logging.getLogger(__name__)

Status = CategoryVersion.Status

#: How often a provider is asked, and when again after a fault.
EVERY, AFTER_FAULT = timedelta(days=1), timedelta(hours=1)
#: Seconds after which no further provider is asked in the same tick.
SECONDS = 5.0
#: What stands still, and should be at its provider.
KEPT = (
    Status.FROZEN,
    Status.READY,
    Status.RETIRED,
    Status.FAILED,
    Status.DELETE_FAILED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one comparison found, in versions."""

    provider: str
    #: Of ours, how many were looked for.
    looked_for: int
    #: Newly marked, and no longer.
    gone: tuple[str, ...]
    back: tuple[str, ...]


def compare(alias: str, *, by: str = "") -> Compared:
    """Mark the versions that the provider has no more, and unmark what is back.

    Raise ProviderError or InvalidProvider where it can't be asked: nothing changes.
    """
    # Before the provider is asked: what is registered meanwhile is not in its list.
    ours = list(_kept(alias))
    provider: Provider = providers[alias]
    listed = {(remote.name, remote.provider_version) for remote in provider.catalog()}
    gone: list[str] = []
    back: list[str] = []
    for version in ours:
        is_there = (version.category.name, version.provider_version) in listed
        if is_there == (version.gone_at is None):
            continue
        if _mark(version, is_there=is_there, by=by):
            (back if is_there else gone).append(str(version))
    heartbeats.advance(_name(alias), None)
    return Compared(
        provider=alias, looked_for=len(ours), gone=tuple(gone), back=tuple(back)
    )


def compare_now(alias: str, *, by: str) -> Compared:
    """``compare`` for a person. Raise RefusedError where the provider can't say."""
    heartbeats.resume(_name(alias), EVERY)
    try:
        return compare(alias, by=by)
    except (InvalidProvider, ProviderError) as error:
        raise RefusedError(str(error)) from None


def compare_due() -> int:
    """Compare with each provider whose day is over; return how many answered.

    One that fails is asked again in an hour, and keeps no other from its turn.
    """
    until = time.monotonic() + SECONDS
    answered = 0
    for alias in aliases():
        if heartbeats.resume(_name(alias), EVERY) is None:
            continue
        if time.monotonic() > until:
            break
        with heartbeats.lead(_name(alias)) as leading:
            # Somebody may have done it since.
            if leading and heartbeats.resume(_name(alias), EVERY) is not None:
                answered += _compare_quietly(alias)
    return answered


def _kept(alias: str) -> QuerySet[CategoryVersion]:
    versions = CategoryVersion.objects.filter(
        provider=alias, status__in=[str(s) for s in KEPT]
    ).exclude(provider_version="")
    return versions.select_related("category").only(
        "number", "status", "provider_version", "gone_at", "category__name"
    )


def aliases() -> Collection[str]:
    """The providers that can be asked, and have something of ours."""
    aliases = CategoryVersion.objects.exclude(provider_version="").values_list(
        "provider", flat=True
    )
    found = []
    for alias in sorted(set(aliases.order_by().distinct())):
        try:
            if alias in providers and providers[alias].can_list:
                found.append(alias)
        except InvalidProvider:
            continue  # A system check says it.
    return found


def _compare_quietly(alias: str) -> bool:
    try:
        done = compare(alias)
    except Exception as error:
        # The words of a provider's error are ours, but a bug's may be anybody's.
        logger.warning(
            "The versions of %s can't be compared: %s.", alias, describe(error)
        )
        heartbeats.put_off(_name(alias), EVERY, AFTER_FAULT)
        return False
    if done.gone:
        logger.warning("Gone at %s: %s.", alias, ", ".join(done.gone))
    return True


def _mark(version: CategoryVersion, *, is_there: bool, by: str) -> bool:
    rows = CategoryVersion.objects.filter(
        pk=version.pk,
        status=version.status,
        provider_version=version.provider_version,
        gone_at__isnull=not is_there,
    )
    with atomic():
        if not rows.update(gone_at=None if is_there else DbNow()):
            return False  # It moved on meanwhile.
        log("version_back" if is_there else "version_gone", version, by)
    return True


def _name(alias: str) -> str:
    return f"compare {alias}"
