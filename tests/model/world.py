"""The databases, policies and providers that the machine works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections

from django_contentsafety.exceptions import (
    Conflict,
    ContentError,
    Gone,
    Misconfigured,
    NetworkError,
    NotFound,
    ProtocolError,
    ProviderBug,
    RateLimited,
    ServerError,
)
from django_contentsafety.models import (
    Action,
    Coverage,
    DbNow,
    Heartbeat,
    LogEntry,
    ModerationResult,
    ModerationState,
    PolicyRule,
    Review,
)
from django_contentsafety.registry import registry
from tests.model.memory import KINDS, REGIMES, USING, severity
from tests.policies import make_policy, script
from tests.testapp.models import Bulletin, Comment

SLUGS = ("bodies", "comments", "titles")

#: Two sources a policy, so that one may answer while the other fails.
PROVIDERS: dict[str, Any] = {
    alias: {"BACKEND": "django_contentsafety.providers.dummy.DummyProvider"}
    for alias in ("default", "second")
}

#: One of each class of fault (reliability.md §7.4).
FAULTS: dict[str, Exception] = {
    "network": NetworkError("no answer"),
    "server": ServerError("unwell"),
    "throttle": RateLimited("later", retry_after=1.0),
    "protocol": ProtocolError("unreadable"),
    "content": ContentError("refused"),
    "config": Misconfigured("no such key"),
    "gone": Gone("retired"),
    "missing": NotFound("no such category"),
    "conflict": Conflict("there already"),
    "bug": ProviderBug("ours"),
    "error": ValueError("ours, and unforeseen"),
}

_EMPTIED = (
    ModerationState,
    ModerationResult,
    LogEntry,
    Review,
    Action,
    Coverage,
    Heartbeat,
    Comment,
    Bulletin,
)


def empty(using: str = USING) -> None:
    """Forget what an earlier example wrote."""
    with connections[using].cursor() as cursor:
        for model in _EMPTIED:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608


class Providers:
    """Both sources, each with the fault it has at the moment."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        script(lambda text: self._answer("default", {"Hate": severity(text)}))
        script(lambda text: self._answer("second", {"Violence": 0}), "second")

    @contextmanager
    def failing(self, alias: str, fault: str | None) -> Iterator[None]:
        """Meanwhile the provider fails with a fault of this class, if any."""
        self.faults = {alias: fault} if fault else {}
        try:
            yield
        finally:
            self.faults = {}

    def _answer(self, alias: str, answer: Mapping[str, int]) -> Mapping[str, int]:
        if fault := self.faults.get(alias):
            raise FAULTS[fault]
        return answer


def make_policies() -> None:
    for slug in SLUGS:
        policy = make_policy(slug)
        PolicyRule.objects.create(
            policy=policy,
            provider="second",
            category="Violence",
            scale="severity",
            review_at=4,
            block_at=6,
        )


def switch(regime: str, on_pending: str) -> None:
    """A site changes its rules, and what it shows meanwhile."""
    from django_contentsafety.models import Policy

    PolicyRule.objects.filter(category="Hate").update(review_at=REGIMES[regime])
    Policy.objects.filter(slug__in=SLUGS).update(on_pending=on_pending)


def cover() -> None:
    """A pass over an empty site has ended: from now on an unknown object is hidden."""
    Coverage.objects.using(USING).bulk_create(
        Coverage(
            model=kind._meta.label_lower,
            policy=slug,
            pass_started_at=DbNow(),
            pass_ended_at=DbNow(),
            completed_at=DbNow(),
            was_complete=True,
        )
        for kind in KINDS
        for slug in registry.get(kind).documents
    )
