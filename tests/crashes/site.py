"""The site on which the transitions happen, and its state between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from django_contentsafety.models import Policy
from django_contentsafety.providers import providers
from django_contentsafety.registry import registry
from tests.model import world

switch = world.switch


def set_up() -> None:
    """Policies and providers, in this process."""
    settings.CONTENTSAFETY_PROVIDERS = world.PROVIDERS
    providers.reset()
    if Policy.objects.filter(slug__in=world.SLUGS).count() < len(world.SLUGS):
        world.make_policies()
    world.Providers()


def clear(using: str) -> None:
    """As if nothing had ever been written."""
    world.empty(using)
    if using != "default":
        world.empty("default")
    switch("strict", "author_only")


def moderation(model: type[Any]) -> Any:
    return registry.get(model)


@contextmanager
def failing(alias: str, fault: str) -> Iterator[None]:
    """The provider fails with a fault of this class."""
    provider = providers[alias]
    script = provider.script

    def fail(text: str) -> Any:
        raise world.FAULTS[fault]

    provider.script = fail
    try:
        yield
    finally:
        provider.script = script
