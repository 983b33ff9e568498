"""``{% load contentsafety %}``: what a page says of one object's moderation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.db import router
from django.db.models import QuerySet

from ..decisions import DecisionValue
from ..documents import key_of
from ..models import ModerationState, Policy
from ..querysets import visible as visible_to
from ..registry import registry

register = template.Library()

_WEIGHT = {value: weight for weight, value in enumerate(DecisionValue.values)}


@dataclass(frozen=True, slots=True)
class Status:
    """Where one object stands, all its live policies taken together.

    ``decision`` is the strictest one in force ("" = a policy has none yet, and none
    blocks), ``state`` that of one which still waits, else "done"; both are empty for
    an object that was never submitted.
    """

    decision: str
    state: str
    visible: bool


@register.simple_tag
def moderation_status(obj: Any, user: Any = None) -> Status:
    """The ``Status`` of ``obj``; ``visible`` is meant for ``user`` (None = a stranger).

    For one object on its own page: a list asks ``visible`` for all at once.
    """
    model = type(obj)
    using = obj._state.db or router.db_for_read(model, instance=obj)
    rows: list[ModerationState] = []
    for moderation in registry.covering(model):
        rows += ModerationState.objects.using(using).filter(
            model=moderation.label,
            object_key=key_of(moderation.model, obj, using),
            policy__in=list(moderation.documents),
        )
    slugs = {row.policy for row in rows}
    live = set(
        Policy.objects.filter(slug__in=slugs, mode=Policy.Mode.LIVE).values_list(
            "slug", flat=True
        )
    )
    binding = [row for row in rows if row.policy in live and row.state != "exempt"]
    waiting = [row for row in binding if not row.is_decided]
    decision = max(
        (row.decision for row in binding if row.is_decided),
        key=_WEIGHT.__getitem__,
        default=str(DecisionValue.ALLOW) if rows else "",
    )
    if waiting and decision != DecisionValue.BLOCK:
        decision = ""
    objects = visible_to(model._default_manager.using(using), user)
    return Status(
        decision=decision,
        state=waiting[0].state if waiting else "done" if rows else "",
        visible=objects.filter(pk=obj.pk).exists(),
    )


@register.filter
def visible(queryset: QuerySet[Any], user: Any = None) -> QuerySet[Any]:
    """``{% for comment in comments|visible:request.user %}``"""
    return visible_to(queryset, user)
