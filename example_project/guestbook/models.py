"""What guests write."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_contentsafety.querysets import ModeratedQuerySet


class Entry(models.Model):
    """One message in the guestbook, by a guest or by somebody with an account."""

    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("author"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
    )
    name = models.CharField(_("name"), max_length=80)
    message = models.TextField(_("message"), max_length=2000)
    created_at = models.DateTimeField(_("written"), auto_now_add=True)

    objects = ModeratedQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="newest_first")]

    def __str__(self) -> str:
        return f"{self.name}: {self.message[:40]}"
