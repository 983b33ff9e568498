"""The machine with one essential guard taken away: each has to be caught.

A guard often stands behind another one, and is then no guard to be missed: a changed
text clears the lease's token, so that the generation in the compare-and-set alone can
be left out without harm. A mutant takes away all that guards one promise.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F, Q
from pytest import MonkeyPatch

from django_contentsafety import receivers
from django_contentsafety.documents import Document
from django_contentsafety.flows import completing, rounds, upkeep
from django_contentsafety.models import DbNow, ModerationState, claims
from django_contentsafety.models.claims import StateQuerySet
from tests.testapp.models import Bulletin, Comment

Mutant = Callable[[MonkeyPatch], None]
MUTANTS: dict[str, Mutant] = {}


def mutant(function: Mutant) -> Mutant:
    MUTANTS[function.__name__] = function
    return function


@mutant
def complete_compares_the_token_alone(monkeypatch: MonkeyPatch) -> None:
    """And an edit leaves the lease to its worker: the generation is nobody's guard."""

    def renew(self: StateQuerySet, row: ModerationState, lease: float) -> bool:
        mine = self.filter(pk=row.pk, lease_token=row.lease_token)
        return bool(mine.update(lease_until=DbNow() + timedelta(seconds=lease)))

    def complete(self: StateQuerySet, row: ModerationState, **decided: Any) -> bool:
        mine = self.filter(pk=row.pk, lease_token=row.lease_token)
        return bool(
            mine.update(
                **decided,
                decided_generation=row.generation,
                decided_at=DbNow(),
                lease_token="",
                lease_until=None,
                state="done",
            )
        )

    def resubmit(
        self: StateQuerySet, content_hash: str, hash_key: str, **changes: Any
    ) -> int:
        changes |= {"content_hash": content_hash, "hash_key": hash_key, "round": 0}
        self.exclude(state="leased").update(**self.afresh())
        return self.update(generation=F("generation") + 1, **changes)

    monkeypatch.setattr(StateQuerySet, "renew", renew)
    monkeypatch.setattr(StateQuerySet, "complete", complete)
    monkeypatch.setattr(StateQuerySet, "resubmit", resubmit)


@mutant
def complete_does_not_hash_again(monkeypatch: MonkeyPatch) -> None:
    """What the worker read is taken for what is there under the lock."""
    proceed = completing._complete

    def trust(judged: Any, moderation: Any, values: Any) -> str:
        if values is not None:
            values = dict(judged.document.parts)
            judged.row.content_hash, judged.row.hash_key = judged.document.hash()
        return proceed(judged, moderation, values)

    monkeypatch.setattr(completing, "_complete", trust)


@mutant
def nobody_frees_a_lease_that_ran_out(monkeypatch: MonkeyPatch) -> None:
    """Neither the sweep nor the next claim."""
    monkeypatch.setattr(upkeep, "free_leases", lambda using, counts: None)
    monkeypatch.setattr(claims, "_LEFT", Q(pk__in=[]))


@mutant
def a_save_compares_with_what_was_loaded(monkeypatch: MonkeyPatch) -> None:
    """As a hash kept on the instance would: a stale full save looks unchanged."""
    submit = receivers.submit

    def from_db(cls: Any, db: Any, names: Any, values: Any) -> Any:
        obj = super(cls, cls).from_db(db, names, values)
        obj.loaded = _text(obj)
        return obj

    def compare(obj: Any, moderation: Any, **options: Any) -> list[int]:
        if not options["inserted"] and obj.__dict__.get("loaded") == _text(obj):
            return []
        obj.loaded = _text(obj)
        return submit(obj, moderation, **options)

    for model in (Comment, Bulletin):
        monkeypatch.setattr(model, "from_db", classmethod(from_db))
    monkeypatch.setattr(receivers, "submit", compare)


def _text(obj: Any) -> Any:
    return Document.of(["title", "body"], obj.__dict__), getattr(obj, "is_draft", None)


@mutant
def a_round_overrules_a_person(monkeypatch: MonkeyPatch) -> None:
    """A person's decision is put up for another analysis like a machine's."""

    def analyzable(policy: str, using: str, **limits: Any) -> Any:
        rows = ModerationState.objects.using(using)
        return rows.filter(policy=policy, state__in=["done", "exhausted"])

    monkeypatch.setattr(rounds, "analyzable", analyzable)
