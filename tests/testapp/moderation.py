from __future__ import annotations

from typing import Any

from django_contentsafety import ModelModeration, register

from .models import Bulletin, Comment, Note, Page


@register(Comment)
class CommentModeration(ModelModeration):
    fields = ("title", "body")
    policy = "comments"
    depends_on = ("is_draft",)

    def should_moderate(self, obj: Any) -> bool:
        return not obj.is_draft


@register(Note, Page)
class TextModeration(ModelModeration):
    fields = ("text",)
    policy = "comments"


@register(Bulletin)
class BulletinModeration(ModelModeration):
    policies = {"titles": ["title"], "bodies": ["title", "body"]}
