"""A bulk round that a person asked for: how far it has come, in the rows' database."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .fields import DbNow, KeyField


class BulkRound(models.Model):
    """One walk through the rows of a policy, kept between its steps.

    It ends at the newest row there was when it was asked for: what came later was
    judged by the new rules or version anyway.
    """

    class Kind(models.TextChoices):
        REDECIDE = "redecide", _("re-decide from stored results")
        REANALYZE = "reanalyze", _("re-analyze")

    policy = KeyField(max_length=50)
    #: The policy while the round runs, NULL after: one a policy, on every database.
    live_policy = KeyField(  # type: ignore[misc]
        max_length=50, null=True, unique=True
    )
    kind = models.CharField(max_length=9, choices=Kind.choices)
    #: Texts decided before are left alone; NULL = none are.
    since = models.DateTimeField(null=True)
    #: The row after which it goes on, and the last one it looks at.
    position = models.BigIntegerField(default=0)
    last = models.BigIntegerField(default=0)
    seen = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    unanswered = models.PositiveBigIntegerField(default=0)
    asked_by = KeyField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=DbNow())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("bulk round")
        verbose_name_plural = _("bulk rounds")

    def __str__(self) -> str:
        return f"{self.kind}: {self.policy}"
