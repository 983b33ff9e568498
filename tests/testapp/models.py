"""One model of each kind that a host may moderate."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from django_contentsafety import ModeratedQuerySet, moderate


class Comment(models.Model):
    """The usual one: two watched fields, an author, a field nobody watches."""

    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE
    )
    title = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    views = models.IntegerField(default=0)
    is_draft = models.BooleanField(default=False)

    objects = ModeratedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class CommentProxy(Comment):
    """Sends ``post_save`` as itself, not as Comment."""

    class Meta:
        proxy = True


class Photo(Comment):
    """A multi-table child: its own row, its parent's texts."""

    caption = models.CharField(max_length=200, blank=True)


class Note(models.Model):
    """A UUID as primary key, which SQLite stores without dashes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.TextField()

    objects = ModeratedQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.pk)


class Page(models.Model):
    """A text as primary key: case, blanks and all."""

    slug = models.CharField(max_length=100, primary_key=True)
    text = models.TextField()

    objects = ModeratedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.slug


@moderate("headline", "text", policy="posts")
class Post(models.Model):
    """Registered by the one-line form."""

    headline = models.CharField(max_length=200)
    text = models.TextField()

    def __str__(self) -> str:
        return self.headline


class Bulletin(models.Model):
    """Two policies, each with its own fields."""

    title = models.CharField(max_length=200)
    body = models.TextField()

    def __str__(self) -> str:
        return self.title
