"""What people decided, and who did what when."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..decisions import DecisionValue
from ..exceptions import AppendOnly
from .append_only import AppendOnlyModel, AppendOnlyQuerySet
from .fields import DbNow, KeyField
from .moderation import ObjectRow


class Review(ObjectRow):
    """A person's decision on one generation."""

    state_id = models.BigIntegerField()
    generation = models.PositiveIntegerField()
    decision = models.CharField(max_length=6, choices=DecisionValue.choices)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    #: Free text: erasable, so it stands here and never in the log.
    note = models.TextField(_("note"), max_length=1000, blank=True)
    reviewer_key = KeyField(max_length=255)
    created_at = models.DateTimeField(db_default=DbNow())

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        indexes = [
            models.Index(
                fields=["model", "object_key"], name="contentsafety_review_object"
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision}: {self.model} {self.object_key}"


class LogQuerySet(AppendOnlyQuerySet["LogEntry"]):
    """No update and no delete path."""

    def delete(self) -> NoReturn:
        raise AppendOnly("The log is never deleted.")


class LogEntry(AppendOnlyModel):
    """Who did what, when, from → to, and why: codes and ids.

    ``reason`` alone is what a person wrote: about a version, never about a moderated
    text.
    """

    #: Characters of a reason.
    MAX_REASON = 200

    event = models.CharField(_("event"), max_length=40)
    #: A user's key; empty = the system.
    actor_key = KeyField(_("by"), max_length=255, blank=True)
    model = KeyField(max_length=100, blank=True)
    object_key = KeyField(max_length=255, blank=True)
    #: A policy's slug or a category's name, by event.
    subject = KeyField(_("subject"), max_length=64, blank=True)
    from_value = models.CharField(_("from"), max_length=40, blank=True)
    to_value = models.CharField(_("to"), max_length=40, blank=True)
    reason = models.CharField(_("reason"), max_length=MAX_REASON, blank=True)
    #: Versions and counts, by event.
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("at"), db_default=DbNow())

    objects = LogQuerySet.as_manager()

    class Meta:
        verbose_name = _("log entry")
        verbose_name_plural = _("log")
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["model", "object_key"], name="contentsafety_log_object"
            ),
            models.Index(fields=["subject"], name="contentsafety_log_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.subject or self.object_key}"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The log is never deleted.")
