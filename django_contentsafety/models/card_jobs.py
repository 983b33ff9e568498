"""The making of a remote version's card: a row that survives any restart."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .categories import CategoryVersion
from .fields import DbNow


class CardJob(models.Model):
    """How far the withheld samples of a version are analyzed. It holds no text."""

    version = models.OneToOneField(
        CategoryVersion, on_delete=models.CASCADE, related_name="card_job"
    )
    #: Samples to analyze: the lines of the version's ``withheld_jsonl``.
    total = models.PositiveIntegerField(_("withheld samples"))
    #: One entry a line from the first on: a score from 0 to 1, true or false where the
    #: provider says no more than that, null where it refused the text.
    answers = models.JSONField(default=list)
    #: When somebody should go on; NULL = it is made, or waits for a person.
    due_at = models.DateTimeField(null=True, blank=True, db_default=DbNow())
    token = models.CharField(max_length=32, blank=True)
    #: Since when it is being made, this time.
    since = models.DateTimeField(db_default=DbNow())
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(_("error"), blank=True)
    finished_at = models.DateTimeField(_("measured at"), null=True, blank=True)

    class Meta:
        verbose_name = _("evaluation of a version")
        verbose_name_plural = _("evaluations of versions")
        indexes = [models.Index(fields=["due_at"], name="contentsafety_card_due")]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.done}/{self.total}"

    @property
    def done(self) -> int:
        """How many samples have an answer, or never will."""
        return len(self.answers)

    @property
    def goes_on(self) -> bool:
        return self.due_at is not None
