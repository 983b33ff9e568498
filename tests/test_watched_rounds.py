"""A reader looks between every two statements of a round, and of a first day.

``make tables`` runs the same on 10⁵ rows, with a reader in a process of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from django_contentsafety import visible
from django_contentsafety.flows import review, rounds
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.policies import switch_mode
from django_contentsafety.flows.reconcile import reconcile
from django_contentsafety.models import Coverage, ModerationState, Policy
from tests.policies import make_policy, script, state_of
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ROWS = 40


def visible_pks(using: str) -> set[int]:
    return set(visible(Comment.objects.using(using)).values_list("pk", flat=True))


@contextmanager
def reader(using: str, look: Callable[[], None]) -> Iterator[list[int]]:
    """Call ``look`` on another connection before each statement of this one."""
    looks: list[int] = []
    worker = threading.get_ident()
    with ThreadPoolExecutor(1) as pool:

        def before(execute: Any, sql: str, *rest: Any) -> Any:
            if threading.get_ident() == worker:
                pool.submit(look).result(30)
                looks.append(1)
            return execute(sql, *rest)

        with connections[using].execute_wrapper(before):
            yield looks
        look()
        pool.submit(connections.close_all).result(30)


def test_a_round_hides_nothing_and_leaves_persons_alone(using: str) -> None:
    make_policy()
    script()
    bodies = ["bad" if number % 8 == 0 else "fine" for number in range(ROWS)]
    objs = [Comment.objects.using(using).create(body=body) for body in bodies]
    drain(using)
    for _ in range(2):
        reconcile(using)  # Coverage is complete: what isn't allowed is hidden.
    for obj in objs[:4]:
        review.reject(state_of(obj).pk, using=using, generation=1, by="7")
    for obj in objs[8:9]:
        review.approve(state_of(obj).pk, using=using, generation=1, by="7")
    persons = ModerationState.objects.using(using).filter(decided_by="person")
    before = list(persons.order_by("pk").values_list("pk", "decision", "decided_at"))
    allowed = visible_pks(using)
    assert (len(before), len(allowed)) == (5, ROWS - 5 - 3 + 1)

    def look() -> None:
        assert allowed <= visible_pks(using)

    # Another classifier by now: what it allows of the others may appear.
    script(lambda text: {})
    with reader(using, look) as looks:
        counts = rounds.reanalyze("comments", using, by="7")
        drained = drain(using)
    assert counts.changed == drained.decided == ROWS - 5
    # One look a statement: each text is put up by one of its own.
    assert len(looks) > ROWS
    after = list(persons.order_by("pk").values_list("pk", "decision", "decided_at"))
    assert after == before
    assert len(visible_pks(using)) == ROWS - 4


def test_a_first_day_changes_no_page_before_it_is_over(using: str) -> None:
    policy = make_policy(mode="shadow")
    script()
    bodies = ["bad" if number % 8 == 0 else "fine" for number in range(ROWS)]
    Comment.objects.using(using).bulk_create(
        [Comment(body=body) for body in bodies], contentsafety="reconcile"
    )
    every = visible_pks(using)
    assert len(every) == ROWS
    coverage = Coverage.objects.using(using).filter(
        model="testapp.comment", policy="comments"
    )
    early: list[int] = []

    def look() -> None:
        # Asked first: the pass may end between the two.
        over = coverage.filter(completed_at__isnull=False).exists()
        if not over:
            early.append(len(every - visible_pks(using)))

    with reader(using, look) as looks:
        switch_mode(Policy.objects.get(pk=policy.pk), "live", by="7")
        reconcile(using)
        drain(using)
        # All of it is judged, and nobody has looked whether that is all.
        assert visible_pks(using) == every
        reconcile(using)
    assert coverage.get().completed_at is not None
    assert len(looks) > 3 * ROWS
    assert len(early) > 3 * ROWS
    assert max(early) == 0
    assert len(visible_pks(using)) == ROWS - ROWS // 8


def test_on_a_first_day_new_texts_and_persons_are_heard(using: str) -> None:
    make_policy()
    script()
    Comment.objects.using(using).bulk_create(
        [Comment(body="bad"), Comment(body="bad")], contentsafety="reconcile"
    )
    reconcile(using)
    new = Comment.objects.using(using).create(body="bad")
    drain(using)
    first, second = Comment.objects.using(using).exclude(pk=new.pk).order_by("pk")
    assert visible_pks(using) == {first.pk, second.pk}
    review.reject(state_of(first).pk, using=using, generation=1, by="7")
    second.body = "bad again"
    second.save()
    assert visible_pks(using) == set()


def test_what_a_later_pass_finds_hides_as_soon_as_it_is_judged(using: str) -> None:
    make_policy()
    script()
    reconcile(using)
    reconcile(using)
    Comment.objects.using(using).bulk_create(
        [Comment(body="bad"), Comment(body="fine")], contentsafety="reconcile"
    )
    bad, fine = Comment.objects.using(using).order_by("pk")
    assert visible_pks(using) == {bad.pk, fine.pk}
    reconcile(using)
    assert visible_pks(using) == {bad.pk, fine.pk}
    drain(using)
    assert visible_pks(using) == {fine.pk}
