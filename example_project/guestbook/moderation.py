"""What of the guestbook is moderated: all this app has to say about it."""

from __future__ import annotations

from django_contentsafety.registry import ModelModeration, register

from .models import Entry


@register(Entry)
class EntryModeration(ModelModeration):
    """Name and message are read together: a scam may stand in either."""

    fields = ("name", "message")
    policy = "guestbook"
    author = "author"
