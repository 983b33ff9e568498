"""The host before the storm: tables, and live policies."""

from __future__ import annotations

from django.core.management import call_command

from django_contentsafety.models import Policy, PolicyRule

#: The sources of each policy; all judge Hate by severity: review at 4, block at 6.
SOURCES = {
    "posts": ["remote"],
    "replies": ["default", "second"],
    "words": ["default"],
    "notes": ["unwell"],
}


def prepare() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    for slug, sources in SOURCES.items():
        Policy.objects.filter(slug=slug).delete()
        policy = Policy.objects.create(slug=slug, mode="live")
        for provider in sources:
            PolicyRule.objects.create(
                policy=policy,
                provider=provider,
                category="Hate",
                scale="severity",
                review_at=4,
                block_at=6,
            )
