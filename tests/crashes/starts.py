"""What the transitions start from, and the steps that lead there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connections

from django_contentsafety.flows import bulk_rounds, review, rounds, working
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.plans import load_plans
from django_contentsafety.models import DbNow, ModerationResult, ModerationState
from tests.crashes import site
from tests.policies import raw_update, state_of
from tests.quiesce import expire_leases
from tests.testapp.models import Bulletin, Comment


def nothing(using: str) -> None:
    pass


def waiting(using: str) -> Comment:
    obj: Comment = Comment.objects.using(using).create(body="bad")
    return obj


def two_policies(using: str) -> Bulletin:
    obj: Bulletin = Bulletin.objects.using(using).create(title="fine", body="bad")
    return obj


def decided(using: str, body: str = "fine") -> Comment:
    obj = Comment.objects.using(using).create(body=body)
    drain(using)
    return obj


def held(using: str) -> ModerationState:
    return state_of(decided(using, "dubious"))


def draft(using: str) -> Comment:
    obj: Comment = Comment.objects.using(using).create(body="bad", is_draft=True)
    return obj


def approved(using: str) -> Comment:
    obj = decided(using, "bad")
    review.approve(state_of(obj).pk, using=using, generation=1, by="7")
    return obj


def claimed(using: str) -> ModerationState:
    waiting(using)
    (row,) = claim_all(using)
    return row


def left_behind(using: str) -> None:
    """One row of a worker that died, one that it died over for the third time."""
    for body in ("fine", "bad"):
        Comment.objects.using(using).create(body=body)
    claim_all(using)
    states = ModerationState.objects.using(using)
    states.filter(object_key=str(Comment.objects.using(using).latest("pk").pk)).update(
        crashes=2
    )
    expire_leases(using)


def judged(using: str) -> Any:
    """A worker has its answers about two policies, and only has to store them."""
    obj = two_policies(using)
    return obj, judge(using)


def batch(using: str) -> Any:
    """A worker has its answers about several objects."""
    for body in ("fine", "dubious", "bad"):
        Comment.objects.using(using).create(body=body)
    obj = two_policies(using)
    return obj, judge(using)


def unseen(using: str) -> None:
    """One object nobody knows, one whose text moved on, one that is gone."""
    moved, gone = decided(using), decided(using)
    raw_update(moved, "bad")
    raw_delete(gone)
    Comment.objects.using(using).bulk_create(
        [Comment(body="dubious")], contentsafety="reconcile"
    )


def new_rules(using: str) -> None:
    for body in ("fine", "dubious", "bad"):
        decided(using, body)
    approved(using)
    site.switch("lenient", "author_only")


def asked_to_redecide(using: str) -> None:
    new_rules(using)
    bulk_rounds.ask("comments", "redecide", using, by="7")


def asked_to_reanalyze(using: str) -> None:
    new_rules(using)
    bulk_rounds.ask("comments", "reanalyze", using, by="7")


def in_a_round(using: str) -> None:
    decided(using)
    approved(using)
    rounds.reanalyze("comments", using, by="7")


def old(using: str) -> None:
    """Results past their retention: one to delete, one to erase."""
    decided(using)
    decided(using, "bad")
    days = DbNow() - timedelta(days=999)
    ModerationState.objects.using(using).update(decided_at=days)
    with connections[using].cursor() as cursor:
        table = ModerationResult._meta.db_table
        cursor.execute(f"UPDATE {table} SET created_at = '2001-01-01'")  # noqa: S608


def too_old(using: str) -> None:
    waiting(using)
    ModerationState.objects.using(using).update(
        attempts=3, first_pending_at=DbNow() - timedelta(days=9)
    )


def claim_all(using: str) -> list[ModerationState]:
    states = ModerationState.objects.using(using)
    return states.claim(policies=list(load_plans()), limit=50, lease=120)


def no_lease() -> None:
    """Nothing to prolong: a transition takes no time."""


def judge(using: str) -> list[working.Case]:
    cases = working.read(claim_all(using), using, working.DrainCounts())
    working.ask(cases, load_plans(), bulk=False, keep=no_lease)
    return cases


def finish(using: str, cases: list[working.Case]) -> None:
    counts = working.DrainCounts()
    plans = load_plans()
    working.finish(cases, plans, using, counts, nowait=False, keep=no_lease)


def raw_delete(obj: Any) -> None:
    with connections[obj._state.db].cursor() as cursor:
        table = obj._meta.db_table
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [obj.pk])  # noqa: S608
