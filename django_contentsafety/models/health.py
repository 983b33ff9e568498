"""Quota, breaker and heartbeat: rows that all workers share.

Every step is one UPDATE on the database's clock, so any number of processes agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from ..providers import Limit
from .fields import DbNow, KeyField

#: The breaker opens at so many failures in a window, if they are at least half of its
#: calls (reliability.md §7.5).
TRIP_FAILURES, WINDOW = 10, timedelta(seconds=60)
#: It stays open so long, doubling up to the cap.
OPEN_FOR, OPEN_CAP = timedelta(seconds=30), timedelta(minutes=5)
#: One process probes for at most so long; so many good probes close it.
PROBE_LEASE, CLOSE_AFTER = timedelta(seconds=30), 3


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
    #: A group of endpoints with one limit: "text", "custom" …
    feature = KeyField(max_length=40, blank=True)

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
            quota=_difference(F("arrival_at") - DbNow()),
            pause=_difference(F("paused_until") - DbNow()),
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


class HealthQuerySet(models.QuerySet["ProviderHealth"]):
    """The breaker's moves (reliability.md §7.5)."""

    def may_call(self, budget: Budget) -> tuple[float, str]:
        """(0.0, "") = call; (0.0, token) = you are the one probe; else seconds to wait.

        A latched breaker waits for another configuration: it says the cap.
        """
        found = self._read(budget)
        if found is None:
            return 0.0, ""
        if found["state"] == "latched":
            return OPEN_CAP.total_seconds(), ""
        if found["left"] and found["left"] > timedelta():
            return found["left"].total_seconds(), ""
        row = self.filter(**budget.names())
        token = uuid4().hex
        idle = Q(probe_until__isnull=True) | Q(probe_until__lt=DbNow())
        probing = row.filter(idle, state__in=["open", "half_open"]).update(
            probe_token=token, probe_until=DbNow() + PROBE_LEASE, state="half_open"
        )
        return (0.0, token) if probing else (1.0, "")

    def room(self, budget: Budget) -> int | None:
        """How many calls may be made now: None = any, 1 = a probe."""
        found = self._read(budget)
        if found is None:
            return None
        shut = found["left"] is not None and found["left"] > timedelta()
        return 0 if shut or found["state"] == "latched" else 1

    def leave(self, budget: Budget, token: str) -> None:
        """Hand the probe back unused."""
        if token:
            self.filter(**budget.names(), probe_token=token).update(
                probe_token="", probe_until=None
            )

    def succeeded(self, budget: Budget, token: str, calls: int = 1) -> None:
        """Count good calls; a probe's closes the breaker after a few."""
        row = self.filter(**budget.names())
        if not token:
            row.filter(state="closed").update(calls=F("calls") + calls)
            return
        mine = row.filter(probe_token=token, state="half_open")
        mine.filter(successes__gte=CLOSE_AFTER - 1).update(
            **_CLOSED, window_started_at=DbNow(), state="closed"
        )
        mine.update(successes=F("successes") + 1, probe_token="", probe_until=None)

    def failed(self, budget: Budget, token: str, code: str) -> None:
        """Count a bad call; enough of them, or a probe's, open the breaker."""
        row = self.filter(**budget.names())
        if not row.exists():
            self.get_or_create(**budget.names())
        if token:
            self._open(row.filter(probe_token=token, state="half_open"), code)
            return
        closed = row.filter(state="closed")
        closed.filter(window_started_at__lt=DbNow() - WINDOW).update(
            calls=0, failures=0, window_started_at=DbNow()
        )
        closed.update(
            calls=F("calls") + 1, failures=F("failures") + 1, last_error_code=code
        )
        tripped = closed.filter(
            failures__gte=TRIP_FAILURES, calls__lte=F("failures") * 2
        )
        self._open(tripped, code)

    def open_now(self, budget: Budget, code: str) -> None:
        """Open for the cap: no call can succeed before somebody mends the settings."""
        self.get_or_create(**budget.names())
        self.filter(**budget.names()).exclude(state="latched").update(
            **_IDLE,
            last_error_code=code,
            open_count=F("open_count") + 1,
            open_until=DbNow() + OPEN_CAP,
            state="open",
        )

    def latch(self, budget: Budget, code: str) -> None:
        """The service is gone: only another configuration helps."""
        self.get_or_create(**budget.names())
        self.filter(**budget.names()).update(
            **_IDLE, last_error_code=code, state="latched"
        )

    def _read(self, budget: Budget) -> Mapping[str, Any] | None:
        """The row, unless the breaker is closed."""
        row = self.filter(**budget.names()).exclude(state="closed")
        left = _difference(F("open_until") - DbNow())
        return row.annotate(left=left).values("state", "left").first()

    def _open(self, rows: models.QuerySet[ProviderHealth], code: str) -> None:
        for count in range(5):
            longer = rows.filter(open_count=count) if count < 4 else rows
            longer.update(
                **_IDLE,
                last_error_code=code,
                open_count=F("open_count") + 1,
                open_until=DbNow() + min(OPEN_FOR * 2**count, OPEN_CAP),
                state="open",
            )


_IDLE: Mapping[str, object] = {
    "probe_token": "",
    "probe_until": None,
    "successes": 0,
    "calls": 0,
    "failures": 0,
}
_CLOSED: Mapping[str, object] = {**_IDLE, "open_count": 0, "open_until": None}


class ProviderHealth(Credential):
    """The circuit breaker (reliability.md §7.5)."""

    class State(models.TextChoices):
        CLOSED = "closed", _("closed")
        OPEN = "open", _("open")
        HALF_OPEN = "half_open", _("half open")
        #: Retired: only another configuration opens it.
        LATCHED = "latched", _("latched")

    state = models.CharField(max_length=9, choices=State.choices, default=State.CLOSED)
    window_started_at = models.DateTimeField(db_default=DbNow())
    calls = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    successes = models.PositiveIntegerField(default=0)
    open_count = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    probe_token = models.CharField(max_length=32, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)
    last_error_code = models.CharField(max_length=40, blank=True)

    objects = HealthQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider health")
        verbose_name_plural = _("provider health")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "credential", "feature"],
                name="contentsafety_health_once",
            )
        ]


class Heartbeat(models.Model):
    """When a housekeeper last finished, who holds its lease, how far it has come."""

    name = KeyField(max_length=40, unique=True)
    beat_at = models.DateTimeField(db_default=DbNow())
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    #: The key at which a pass through a table goes on; 0 = from the start.
    position = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name


def _difference(difference: Any) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(difference, output_field=DurationField())


def _month() -> date:
    # The one date from Python's clock: a skewed one matters for seconds a month.
    return datetime.now(UTC).date().replace(day=1)


def _until_next_month() -> timedelta:
    now = datetime.now(UTC)
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    return following.replace(hour=0, minute=0, second=0, microsecond=0) - now
