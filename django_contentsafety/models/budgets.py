"""Quota: rows that all workers share.

Every step is one UPDATE on the database's clock, so any number of processes agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from ..providers import Limit
from .fields import DbNow, KeyField


@dataclass(frozen=True, slots=True)
class Budget:
    """Whose requests are counted together."""

    provider: str
    #: A fingerprint of the key, never the key.
    credential: str = ""
    #: A group of endpoints with one limit.
    feature: str = ""

    def names(self) -> dict[str, Any]:
        """The columns that identify its row."""
        return {
            "provider": self.provider,
            "credential": self.credential,
            "feature": self.feature,
        }


class Credential(models.Model):
    """What a provider counts and blocks by."""

    provider = KeyField(max_length=64)
    #: A fingerprint, never the key.
    credential = KeyField(max_length=16, blank=True)
    #: A group of endpoints with one limit ("text", "custom" …), or what is blocked by
    #: itself ("policy comments").
    feature = KeyField(max_length=64, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.provider} {self.feature}".strip()


class BudgetQuerySet(models.QuerySet["ProviderBudget"]):
    """GCRA (reliability.md §7.6): one row, one UPDATE a grant."""

    def reserve(self, budget: Budget, limit: Limit, requests: int) -> float:
        """Take ``requests`` from the budget; 0.0 = granted, else seconds to wait.

        More than ``limit.burst`` at once are granted as soon as the whole burst is
        free: they will then have to be paid back before anybody else's.
        """
        row = self.filter(**budget.names())
        spend = timedelta(seconds=requests / limit.rate)
        room = timedelta(seconds=max(limit.burst - requests, 0) / limit.rate)
        open_now = Q(paused_until__isnull=True) | Q(paused_until__lte=DbNow())
        free = row.filter(open_now, arrival_at__lte=DbNow() + room)
        changes: dict[str, Any] = {
            "arrival_at": Greatest(F("arrival_at"), DbNow()) + spend
        }
        if limit.per_month is not None:
            month = _month()
            enough = Q(month_count__lte=limit.per_month - requests)
            free = free.filter(Q(month__isnull=True) | ~Q(month=month) | enough)
            # The count before the month it reads: MySQL assigns from left to right.
            count = Case(
                When(month=month, then=F("month_count") + requests),
                default=Value(requests),
                output_field=models.PositiveBigIntegerField(),
            )
            changes |= {"month_count": count, "month": Value(month)}
        if free.update(**changes):
            return 0.0
        found = self._read(budget)
        if found is None:
            self.get_or_create(**budget.names())
            return self.reserve(budget, limit, requests)
        waits: list[timedelta] = [found["quota"] - room, found["pause"] or timedelta()]
        spent = found["month_count"] if found["month"] == _month() else 0
        if limit.per_month is not None and spent + requests > limit.per_month:
            waits.append(_until_next_month())
        # A grant that fell free meanwhile is worth another try in a moment.
        return max(max(waits).total_seconds(), 0.05)

    def room(self, budget: Budget, limit: Limit) -> float:
        """How many requests would be granted now."""
        found = self._read(budget)
        if found is None:
            return limit.burst
        if found["pause"] and found["pause"] > timedelta():
            return 0.0
        behind: timedelta = max(found["quota"], timedelta())
        free = max(limit.burst - behind.total_seconds() * limit.rate, 0.0)
        if limit.per_month is not None and found["month"] == _month():
            free = min(free, max(limit.per_month - found["month_count"], 0))
        return free

    def refund(self, budget: Budget, limit: Limit, requests: int) -> None:
        """Give back what was reserved and not used."""
        unspent = timedelta(seconds=requests / limit.rate)
        self.filter(**budget.names()).update(arrival_at=F("arrival_at") - unspent)

    def pause(self, budget: Budget, seconds: float) -> None:
        """Nobody calls for ``seconds``: the provider asked for it."""
        row = self.filter(**budget.names())
        until = DbNow() + timedelta(seconds=seconds)
        if not row.update(paused_until=until):
            self.get_or_create(**budget.names())
            row.update(paused_until=until)

    def _read(self, budget: Budget) -> Mapping[str, Any] | None:
        row = self.filter(**budget.names()).annotate(
            quota=difference(F("arrival_at") - DbNow()),
            pause=difference(F("paused_until") - DbNow()),
        )
        return row.values("quota", "pause", "month", "month_count").first()


class ProviderBudget(Credential):
    """Quota by GCRA on the database's clock (reliability.md §7.6), and a month's."""

    #: Theoretical arrival time of the next conforming request.
    arrival_at = models.DateTimeField(db_default=DbNow())
    month = models.DateField(null=True, blank=True)
    month_count = models.PositiveBigIntegerField(default=0)
    #: Until then nobody calls: the provider asked for it.
    paused_until = models.DateTimeField(null=True, blank=True)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider budget")
        verbose_name_plural = _("provider budgets")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "credential", "feature"],
                name="contentsafety_budget_once",
            )
        ]


def difference(expression: Any) -> ExpressionWrapper[Any]:
    """The difference of two times as a duration."""
    return ExpressionWrapper(expression, output_field=DurationField())


def _month() -> date:
    # The one date from Python's clock: a skewed one matters for seconds a month.
    return datetime.now(UTC).date().replace(day=1)


def _until_next_month() -> timedelta:
    now = datetime.now(UTC)
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following.replace(hour=0, minute=0, second=0, microsecond=0) - now
