"""The list of transitions is whole: a flow that writes and has no case fails here."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

import pytest

from django_contentsafety import bulk
from django_contentsafety.flows import (
    answering,
    bulk_rounds,
    claiming,
    completing,
    moderate,
    purge,
    reconcile,
    review,
    rounds,
    submit,
    upkeep,
    working,
)
from django_contentsafety.models.claims import StateQuerySet
from tests.crashes import site
from tests.crashes.transitions import TRANSITIONS
from tests.model import world

MODULES: tuple[ModuleType, ...] = (
    answering,
    bulk,
    bulk_rounds,
    claiming,
    completing,
    moderate,
    purge,
    reconcile,
    review,
    rounds,
    submit,
    upkeep,
    working,
)

#: Public, and no transition: they only read, or only string transitions together.
NOT_TRANSITIONS = {
    "answering.moderate_text",
    # Only of policies with a quota.
    "StateQuerySet.waited_for",
    "upkeep.advance_builds",
    "upkeep.databases",
    "upkeep.find_unseen",
    "upkeep.go_on_with_rounds",
    "upkeep.oldest_wait",
    "upkeep.purge",
    "upkeep.remove_orphans",
    "upkeep.tick",
    # Of every review, but only where the database locks rows.
    "completing.lock_object",
}


def public() -> dict[str, CodeType]:
    """The public functions of the flows, and the queue's methods, by name."""
    places: list[tuple[Any, str]] = [
        (module, module.__name__.rpartition(".")[2]) for module in MODULES
    ]
    found = {}
    for place, prefix in [*places, (StateQuerySet, "StateQuerySet")]:
        for name, value in vars(place).items():
            function = inspect.unwrap(getattr(value, "__func__", value))
            mine = getattr(function, "__module__", "") in (
                getattr(place, "__name__", ""),
                place.__module__ if isinstance(place, type) else "",
            )
            if inspect.isfunction(function) and mine and not name.startswith("_"):
                found[f"{prefix}.{name}"] = function.__code__
    return found


def called() -> Iterator[CodeType]:
    """Whatever runs during the transitions themselves."""
    seen: set[CodeType] = set()

    def profile(frame: Any, event: str, argument: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    for step in TRANSITIONS.values():
        site.clear("default")
        prepared = step.prepare("default")
        sys.setprofile(profile)
        try:
            step.act("default", prepared)
        finally:
            sys.setprofile(None)
    yield from seen


@pytest.mark.django_db(transaction=True, databases=["default"])
def test_every_public_function_is_in_a_transition(settings: Any) -> None:
    settings.CONTENTSAFETY_PROVIDERS = world.PROVIDERS
    site.set_up()
    functions = public()
    assert len(functions) > 30
    ran = set(called())
    missing = {name for name, code in functions.items() if code not in ran}
    assert missing == NOT_TRANSITIONS
