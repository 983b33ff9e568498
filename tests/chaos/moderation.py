from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from django_contentsafety import ModelModeration, register
from django_contentsafety.signals import moderation_finished

from .models import Delivery, Note, Post, Reply


@register(Post)
class PostModeration(ModelModeration):
    fields = ("body",)
    policy = "posts"


@register(Reply)
class ReplyModeration(ModelModeration):
    policies = {"replies": ["body"], "words": ["body"]}


@register(Note)
class NoteModeration(ModelModeration):
    fields = ("body",)
    policy = "notes"


@receiver(moderation_finished)
def act(sender: Any, state: Any, **kwargs: Any) -> None:
    """The host's own action on a decision."""
    Delivery.objects.create(
        state_id=state.pk, generation=state.generation, round=state.round
    )
