"""A version comes to answer for its category: above the bar, or with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from ..conf import settings
from ..engine.stored_cards import METRICS, read_metrics
from ..exceptions import RefusedError
from ..models import Category, CategoryVersion, DbNow, LogEntry, Policy
from ..signals import version_activated
from .entries import atomic

#: What ``CONTENTSAFETY_ACTIVATION_BAR`` may name: a metric's value, or with ``_low``
#: the lower end of its 95 % interval, which few samples keep low.
BARS = (*METRICS, *(f"{name}_low" for name in METRICS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A bar that a version's card doesn't reach."""

    #: One of ``BARS``.
    name: str
    least: float
    #: What was measured; None where the card doesn't say.
    value: float | None

    def __str__(self) -> str:
        words = {"name": self.name, "least": f"{self.least:g}"}
        if self.value is None:
            return _("%(name)s is not on its card, and must be %(least)s") % words
        # Never "0.80 instead of 0.80".
        return _("%(name)s is %(value)s, and must be %(least)s") % {
            **words,
            "value": f"{self.value:.3g}",
        }


def shortfalls(version: CategoryVersion) -> list[Shortfall]:
    """What of ``CONTENTSAFETY_ACTIVATION_BAR`` the version's card doesn't reach.

    A version without a card reaches nothing.
    """
    bar: Mapping[str, float] = settings.ACTIVATION_BAR
    found = [
        Shortfall(name=name, least=least, value=measured(version.card, name))
        for name, least in bar.items()
    ]
    return [
        short for short in found if short.value is None or short.value < short.least
    ]


def measured(card: Any, name: str) -> float | None:
    """The value of ``name``, one of ``BARS``, on a card; None where it has none."""
    # Read as the card's page reads it: what it shows is what counts.
    found = read_metrics(card).metrics.get(name.removesuffix("_low"))
    if found is None:
        return None
    if not name.endswith("_low"):
        return found.value
    return found.interval.low if found.interval else None


def previous_version(category: Category) -> CategoryVersion | None:
    """What a roll back leads to: of the ready versions that are not active, the one
    that was active last; None where none was. Another provider's can't be activated."""
    versions = category.versions.filter(
        status=CategoryVersion.Status.READY,
        provider=category.provider,
        activated_at__isnull=False,
        gone_at__isnull=True,
    ).exclude(pk=category.active_version_id or 0)
    return (
        versions.order_by("-activated_at", "-number")
        .defer(*CategoryVersion.BLOBS)
        .first()
    )


def activate(
    version: CategoryVersion,
    *,
    by: str,
    reason: str = "",
    override_reason: str = "",
) -> None:
    """Let ``version`` answer for its category from now on; an older one rolls back.

    Where it answers already nothing happens. ``reason``, of at most 200 characters, is
    logged.

    Raise RefusedError where it is not ready, where another provider answers for the
    category now, and where it falls short of ``CONTENTSAFETY_ACTIVATION_BAR``, unless
    there is an ``override_reason``, which is then the reason that is logged. Who calls
    this asks for the permission ``override_bar`` before giving one.
    """
    overrides = bool(override_reason.strip())
    reason = checked_reason(override_reason if overrides else reason)
    categories = Category.objects.filter(pk=version.category_id)
    with atomic():
        # A write first: SQLite can't upgrade a transaction that began by reading.
        categories.update(last_number=F("last_number"))
        version.refresh_from_db()
        category = categories.select_related("active_version").get()
        before = category.active_version
        short = shortfalls(version)
        _refuse_unfit(version, category)
        if short and not overrides:
            raise RefusedError(
                _("%(version)s falls short of the bar: %(short)s.")
                % {"version": version, "short": "; ".join(map(str, short))}
            )
        if before is not None and before.pk == version.pk:
            return
        categories.update(active_version=version)
        CategoryVersion.objects.filter(pk=version.pk).update(activated_at=DbNow())
        # What a stored decision was made with stays distinguishable.
        named = Policy.objects.filter(rules__category=category.name)
        Policy.objects.filter(pk__in=list(named.values_list("pk", flat=True))).update(
            version=F("version") + 1
        )
        LogEntry.objects.create(
            event="activated",
            actor_key=by,
            subject=category.name,
            from_value=f"v{before.number}" if before else "",
            to_value=f"v{version.number}",
            reason=reason,
            details={
                "version": version.number,
                **({"below": [s.name for s in short]} if short else {}),
            },
        )
    version.category.refresh_from_db()
    version_activated.send_robust(
        Category, category=version.category, version=version, by=by
    )


def checked_reason(reason: str) -> str:
    """``reason`` as the log takes it; raise RefusedError where it is too long."""
    reason = " ".join(reason.split())
    if len(reason) > LogEntry.MAX_REASON:
        raise RefusedError(
            _("The reason is too long: use at most %d characters.")
            % LogEntry.MAX_REASON
        )
    return reason


def _refuse_unfit(version: CategoryVersion, category: Category) -> None:
    if version.status != CategoryVersion.Status.READY:
        raise RefusedError(
            _("%(version)s is %(status)s: only a ready version is activated.")
            % {"version": version, "status": version.get_status_display()}
        )
    if version.gone_at is not None:
        raise RefusedError(
            _(
                "The provider %(alias)s has no %(version)s any more. If it has: "
                "contentsafety_category compare."
            )
            % {"alias": version.provider, "version": version}
        )
    if version.provider != category.provider:
        raise RefusedError(
            _(
                "%(version)s was built by the provider %(built)s, and the category is "
                "answered by %(alias)s now: change its provider back first."
            )
            % {
                "version": version,
                "built": version.provider,
                "alias": category.provider,
            }
        )
