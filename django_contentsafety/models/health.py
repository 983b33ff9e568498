"""Quota, breaker and heartbeat: rows that all workers share."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import DbNow, KeyField


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


class ProviderBudget(Credential):
    """Quota by GCRA on the database's clock (reliability.md §7.6), and a month's."""

    #: Theoretical arrival time of the next conforming request.
    arrival_at = models.DateTimeField(db_default=DbNow())
    month = models.DateField(null=True, blank=True)
    month_count = models.PositiveBigIntegerField(default=0)
    #: Until then nobody calls: the provider asked for it.
    paused_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("provider budget")
        verbose_name_plural = _("provider budgets")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "credential", "feature"],
                name="contentsafety_budget_once",
            )
        ]


class ProviderHealth(Credential):
    """The circuit breaker (reliability.md §7.5)."""

    class State(models.TextChoices):
        CLOSED = "closed", _("closed")
        OPEN = "open", _("open")
        HALF_OPEN = "half_open", _("half open")
        #: Retired or misconfigured: only another configuration opens it.
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
    """When a housekeeper last finished, and who holds its lease."""

    name = KeyField(max_length=40, unique=True)
    beat_at = models.DateTimeField(db_default=DbNow())
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name
