"""How databases go about the questions that are asked all the time (DESIGN §7).

Few rows here: it is the plan that must not read the history. ``make tables`` measures
at 10⁷ rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks import plans
from django_contentsafety import visible
from django_contentsafety.admin import counting
from django_contentsafety.flows import invariants, reconcile, upkeep
from django_contentsafety.models import Coverage, DbNow, ModerationState
from django_contentsafety.registry import registry
from tests.policies import make_policy
from tests.testapp.models import Comment

# ANALYZE TABLE commits.
pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ROWS = 2_000


@pytest.fixture
def history(using: str) -> Iterator[str]:
    """Comments that were all allowed, but for a few of each other kind."""
    make_policy()
    objects = Comment.objects.using(using)
    objects.bulk_create(
        [Comment(pk=number, body="fine") for number in range(1, ROWS + 1)],
        contentsafety="reconcile",
    )
    states = ModerationState.objects.using(using)
    states.bulk_create(
        ModerationState(
            model="testapp.comment",
            object_key=str(number),
            policy="comments",
            content_hash="h",
            hash_key="k",
            state="pending" if number % 100 == 0 else "done",
            decision="" if number % 100 == 0 else "allow",
            decided_generation=0 if number % 100 == 0 else 1,
            available_at=DbNow(),
            first_pending_at=DbNow(),
            created_at=DbNow(),
        )
        for number in range(1, ROWS + 1)
    )
    states.filter(object_key__endswith="50").update(decision="review")
    Coverage.objects.using(using).update_or_create(
        model="testapp.comment",
        policy="comments",
        defaults={"completed_at": DbNow()},
    )
    analyze(using)
    yield using
    connections[using].close()


def analyze(using: str) -> None:
    word = "ANALYZE TABLE" if using == "mariadb" else "ANALYZE"
    for table in ("contentsafety_moderationstate", "testapp_comment"):
        with connections[using].cursor() as cursor:
            cursor.execute(f"{word} {table}")
            if using == "mariadb":
                cursor.fetchall()


def shapes(using: str, ask: Callable[[], object]) -> list[str]:
    connection = connections[using]
    with CaptureQueriesContext(connection) as queries:
        ask()
    return plans.shapes(queries.captured_queries, connection)


def reads_all(shape: str) -> bool:
    """Whether a plan goes through a table, or joins two of them as a whole."""
    signs = ("Seq Scan", "Hash", "Merge Join", "ALL no index")
    return any(sign in shape for sign in signs) or (
        "SCAN" in shape and "INDEX" not in shape
    )


@pytest.mark.parametrize("covered", [True, False])
def test_a_page_looks_its_states_up_one_by_one(history: str, covered: bool) -> None:
    """PostgreSQL hashed both tables when this was an EXISTS: 36 ms at 50,000 rows."""
    if not covered:
        Coverage.objects.using(history).update(completed_at=None)
    page = visible(Comment.objects.using(history).order_by("-pk"))[:50]
    (shape,) = shapes(history, lambda: len(page))
    once = "contentsafety_moderationstate_1" if "SCAN" in shape else "state_once"
    assert once in shape
    # SQLite says SCAN of the objects, which it reads in the order of their keys.
    assert "SCAN" in shape or not reads_all(shape), shape


@pytest.mark.parametrize("ask", [upkeep.free_leases, upkeep.exhaust_old])
def test_a_sweep_reads_what_waits(history: str, ask: Any) -> None:
    for shape in shapes(history, lambda: ask(history, upkeep.SweepCounts())):
        assert "contentsafety_state_" in shape
        assert not reads_all(shape), shape


@pytest.mark.parametrize(
    "name", ["expired_leases", "oldest_wait", "bulk_backlog", "exhausted", "heartbeat"]
)
def test_a_check_reads_what_waits(history: str, name: str) -> None:
    for shape in shapes(history, lambda: invariants.ROW_FACTS[name](history)):
        assert "contentsafety_state_" in shape
        assert not reads_all(shape), shape


def test_in_a_round_the_heartbeat_reads_no_more(history: str) -> None:
    """All rows wait then, since a moment ago: none of them is read."""
    states = ModerationState.objects.using(history)
    states.update(state="pending", priority=20, round=1, first_pending_at=DbNow())
    analyze(history)
    (shape,) = shapes(history, lambda: invariants.ROW_FACTS["heartbeat"](history))
    assert "contentsafety_state_wait" in shape


def test_a_complete_coverage_asks_for_no_backfill(history: str) -> None:
    """In a round of everything that question would go through all that waits."""
    Coverage.objects.using(history).update(
        pass_started_at=DbNow(), pass_ended_at=DbNow(), completed_at=DbNow()
    )
    with CaptureQueriesContext(connections[history]) as queries:
        reconcile.reconcile(history, only=registry.get(Comment))
    asked = [query["sql"] for query in queries if "moderationstate" in query["sql"]]
    assert asked == []


@pytest.mark.parametrize("query", ["decision=review", "state=exhausted", ""])
def test_a_page_of_the_admin_reads_an_index(
    query: str, client: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(counting, "MOST", 100)
    make_policy()
    states = ModerationState.objects
    states.bulk_create(
        ModerationState(
            model="testapp.comment",
            object_key=str(number),
            policy="comments",
            content_hash="h",
            hash_key="k",
            state="exhausted" if number % 100 == 1 else "done",
            decision="review" if number % 100 == 2 else "allow",
            decided_generation=1,
            available_at=DbNow(),
            first_pending_at=DbNow(),
            created_at=DbNow(),
        )
        for number in range(ROWS)
    )
    analyze("default")
    client.force_login(User.objects.create_superuser("somebody"))
    found: list[Any] = []

    def open_page() -> None:
        path = f"/admin/contentsafety/moderationstate/?{query}"
        found.append(client.get(path))

    all_shapes = shapes("default", open_page)
    if query:
        index = {"decision": "queue", "state": "wait"}[query.partition("=")[0]]
        assert all(f"contentsafety_state_{index}" in shape for shape in all_shapes)
        assert "20 moderations" in found[0].content.decode()
    else:
        # Counted to the bound, and the list itself in the order of its key.
        assert "more than 100 moderations" in found[0].content.decode()
