"""One text in three ways."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from django_contentsafety import ModeratedQuerySet


class Text(models.Model):
    """What a host's comment has: two watched fields, an author, one nobody watches."""

    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    title = models.CharField(max_length=200)
    body = models.TextField()
    views = models.IntegerField(default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title


class Plain(Text):
    """Nobody looks at it: the bare save."""


class Moderated(Text):
    """Registered in ``moderation.py``."""

    objects = ModeratedQuerySet.as_manager()


class Historic(Text):
    """django-simple-history keeps each version."""

    history = HistoricalRecords()
