"""The circuit breaker and the heartbeat: rows that all workers share.

Every step is one UPDATE on the database's clock, so any number of processes agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from .budgets import Budget, Credential, difference
from .fields import DbNow, KeyField

#: The breaker opens at so many failures in a window, if they are at least half of its
#: calls (reliability.md §7.5).
TRIP_FAILURES, WINDOW = 10, timedelta(seconds=60)
#: It stays open so long, doubling up to the cap.
OPEN_FOR, OPEN_CAP = timedelta(seconds=30), timedelta(minutes=5)
#: One process probes for at most so long; so many good probes close it.
PROBE_LEASE, CLOSE_AFTER = timedelta(seconds=30), 3


#: Of so many answers in a row at most this share may refuse a text: more is no matter
#: of texts but of the API's version or the account (reliability.md §7.4).
ANSWERS, REFUSED_SHARE = 50, 0.3


class HealthQuerySet(models.QuerySet["ProviderHealth"]):
    """The breaker's moves (reliability.md §7.5)."""

    def troubled(self, provider: str, credential: str) -> set[str]:
        """The features whose breaker is not closed."""
        rows = self.filter(provider=provider, credential=credential)
        return set(rows.exclude(state="closed").values_list("feature", flat=True))

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

    def succeeded(
        self, budget: Budget, token: str, calls: int = 1, answers: int = 1
    ) -> None:
        """Count good calls, and the texts they answered; a probe's closes the breaker
        after a few."""
        row = self.filter(**budget.names())
        if not token:
            row.filter(state="closed").update(
                calls=F("calls") + calls, answers=F("answers") + answers
            )
            return
        mine = row.filter(probe_token=token, state="half_open")
        mine.filter(successes__gte=CLOSE_AFTER - 1).update(
            **_CLOSED, answers=0, refusals=0, window_started_at=DbNow(), state="closed"
        )
        mine.update(
            successes=F("successes") + 1,
            answers=0,
            refusals=0,
            probe_token="",
            probe_until=None,
        )

    def refused(self, budget: Budget, refusals: int, answers: int) -> bool:
        """Count ``answers``, so many of which refused a text; True where they are too
        many of the last ones."""
        row = self.filter(**budget.names())
        if not row.exists():
            self.get_or_create(**budget.names())
        too_many = Q(
            refusals__gt=ANSWERS * REFUSED_SHARE,
            refusals__gte=F("answers") * REFUSED_SHARE,
        )
        # A suspicion stays until a probe is answered.
        row.filter(answers__gte=ANSWERS).exclude(too_many).update(answers=0, refusals=0)
        row.update(refusals=F("refusals") + refusals, answers=F("answers") + answers)
        return row.filter(too_many).exists()

    def failed(
        self,
        budget: Budget,
        token: str,
        code: str,
        calls: int = 1,
        *,
        good: int = 0,
        answers: int = 0,
    ) -> None:
        """Count bad calls; enough of them, or a probe's, open the breaker.

        ``good`` calls of the same batch, with the texts they answered, are counted
        with them: else a window that begins now would know the bad ones alone.
        """
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
            calls=F("calls") + calls + good,
            failures=F("failures") + calls,
            answers=F("answers") + answers,
            last_error_code=code,
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
        left = difference(F("open_until") - DbNow())
        return row.annotate(left=left).values("state", "left").first()

    def _open(self, rows: models.QuerySet[ProviderHealth], code: str) -> None:
        for count in range(5):
            # Each is about its own count: what another process trips meanwhile is no
            # later step's, which would open it for five minutes at once.
            longer = Q(open_count=count) if count < 4 else Q(open_count__gte=count)
            rows.filter(longer).update(
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
    #: Of the last answers, and how many of them refused a text.
    answers = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0)
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

    name = KeyField(max_length=80, unique=True)
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
