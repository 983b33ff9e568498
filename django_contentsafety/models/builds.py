"""The making of one version: a row that survives any restart."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidTransition
from .categories import Category, CategoryVersion
from .fields import DbNow, KeyField
from .lifecycles import BUILD_TRANSITIONS, FINAL, LIVE, BuildStatus


class BuildJob(models.Model):
    """One build. Every step is a compare-and-set on ``status`` and the lease."""

    Status = BuildStatus
    FINAL = FINAL
    LIVE = LIVE
    TRANSITIONS = BUILD_TRANSITIONS

    version = models.ForeignKey(
        CategoryVersion, on_delete=models.CASCADE, related_name="builds"
    )
    #: The category while the job lives, NULL after: one live job a category, on
    #: every database (MySQL and MariaDB ignore conditional constraints).
    live_category = models.OneToOneField(
        Category,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="live_build",
    )
    status = models.CharField(
        _("status"),
        max_length=15,
        choices=BuildStatus.choices,
        default=BuildStatus.QUEUED,
    )
    #: Ours, chosen and stored before the provider hears of it.
    operation_id = models.CharField(max_length=64, blank=True)
    raw_status = models.CharField(_("the provider's word"), max_length=100, blank=True)
    phase = models.CharField(_("phase"), max_length=60, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress (%)"), default=0)
    poll_count = models.PositiveIntegerField(default=0)
    next_poll_at = models.DateTimeField(db_default=DbNow())
    #: From then on it takes longer than it should: a person is told, and nothing else
    #: happens. Polling goes on.
    overdue_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(_("error"), blank=True)
    #: Where the provider's slots are full: {"limit": 3, "held": [[name, version], …]}.
    slots = models.JSONField(null=True, blank=True)
    created_by = KeyField(max_length=255, blank=True)
    created_at = models.DateTimeField(_("asked for at"), db_default=DbNow())
    #: When the provider had taken the order.
    building_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("build")
        verbose_name_plural = _("builds")
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["status", "next_poll_at"], name="contentsafety_build_due"
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="contentsafety_build_live",
                condition=Q(
                    status__in=FINAL,
                    live_category__isnull=True,
                    finished_at__isnull=False,
                )
                | Q(
                    status__in=LIVE,
                    live_category__isnull=False,
                    finished_at__isnull=True,
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.get_status_display()}"

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL

    def move(self, status: str, **changes: Any) -> None:
        """Go to ``status`` and write ``changes``, in one compare-and-set.

        Raise InvalidTransition where the row is not (any more) in a status this one
        follows, or the lease is another worker's.
        """
        if status in self.FINAL:
            changes |= {"live_category": None, "finished_at": DbNow()}
            changes |= {"lease_token": "", "lease_until": None}
        row = BuildJob.objects.filter(
            pk=self.pk,
            status__in=self.TRANSITIONS[status],
            lease_token=self.lease_token,
        )
        # The status last: MySQL and MariaDB assign from left to right.
        if not row.update(**changes, status=status):
            raise InvalidTransition(
                f"Build {self.pk} can't become {status}: it has moved on meanwhile."
            )
        self.refresh_from_db()
