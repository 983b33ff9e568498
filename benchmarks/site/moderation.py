from __future__ import annotations

from django_contentsafety import ModelModeration, register

from .models import Moderated

#: The one policy.
POLICY = "bench"


@register(Moderated)
class TextModeration(ModelModeration):
    fields = ("title", "body")
    policy = POLICY
