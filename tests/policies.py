"""Policies and scripts for tests about moderation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections

from django_contentsafety.documents import key_of
from django_contentsafety.models import DbNow, ModerationState, Policy, PolicyRule
from django_contentsafety.providers import providers
from django_contentsafety.registry import registry


def make_policy(slug: str = "comments", **changes: Any) -> Policy:
    """A live policy with one rule: Hate by severity, review at 4, block at 6."""
    Policy.objects.filter(slug=slug).delete()
    policy = Policy.objects.create(slug=slug, **{"mode": "live", **changes})
    PolicyRule.objects.create(
        policy=policy, category="Hate", scale="severity", review_at=4, block_at=6
    )
    return policy


def by_words(text: str) -> dict[str, int]:
    """The script of the dummy: a text says itself how bad it is."""
    return {"Hate": 7 if "bad" in text else 5 if "dubious" in text else 0}


def script(function: Callable[[str], Any] = by_words, alias: str = "default") -> Any:
    provider = providers[alias]
    provider.script = function
    provider.calls.clear()
    return provider


def make_due(using: str) -> None:
    """Let what waits for a retry be due now: no test sleeps."""
    ModerationState.objects.using(using).filter(state="pending").update(
        available_at=DbNow()
    )


def state_of(obj: Any, policy: str = "comments") -> ModerationState:
    moderation = registry.covering(type(obj))[0]
    using = obj._state.db
    return ModerationState.objects.using(using).get(
        model=moderation.label,
        object_key=key_of(moderation.model, obj, using),
        policy=policy,
    )


def raw_update(obj: Any, body: str) -> None:
    """Change a comment's text in a way that nothing of ours sees."""
    with connections[obj._state.db].cursor() as cursor:
        cursor.execute(
            "UPDATE testapp_comment SET body = %s WHERE id = %s", [body, obj.pk]
        )
