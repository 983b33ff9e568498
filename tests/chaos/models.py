"""The models of the host that is stormed."""

from __future__ import annotations

from django.db import models

from django_contentsafety import ModeratedQuerySet


class Written(models.Model):
    """A text of somebody: ``slot`` is the saver that owns (and deletes) it."""

    slot = models.IntegerField(db_index=True)
    body = models.TextField()
    views = models.IntegerField(default=0)

    objects = ModeratedQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)


class Post(Written):
    """One policy, one remote source with a quota."""


class Reply(Written):
    """Two policies; one has a source in the process and a remote one."""


class Note(Written):
    """One remote source, which is out of order for a while."""


class NaivePost(models.Model):
    """The control: the decision in the host's own row, as textbooks have it."""

    slot = models.IntegerField(db_index=True)
    body = models.TextField()
    views = models.IntegerField(default=0)
    decision = models.CharField(max_length=6, blank=True)

    def __str__(self) -> str:
        return str(self.pk)


class Delivery(models.Model):
    """What the host did because a decision came into force: once, or it shows."""

    state_id = models.BigIntegerField()
    generation = models.IntegerField()
    round = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.state_id}/{self.generation}/{self.round}"
