"""A batch at a provider: in parts, together, within quota, lease and breaker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from django_contentsafety.exceptions import (
    ContentError,
    NetworkError,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
)
from django_contentsafety.flows import asking, calls, claiming, invariants, upkeep
from django_contentsafety.flows.asking import PIECE, TOO_MANY, NotSent, ask
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.rounds import reanalyze
from django_contentsafety.models import (
    DbNow,
    ModerationState,
    Policy,
    ProviderBudget,
    ProviderHealth,
)
from django_contentsafety.models.budgets import Budget
from django_contentsafety.models.claims import StateQuerySet
from django_contentsafety.models.health import ANSWERS, REFUSED_SHARE
from django_contentsafety.providers.base import Asked
from django_contentsafety.verdicts import Verdict
from tests.policies import by_words, make_due, make_policy, script, state_of
from tests.remotes import SingleProvider, counted
from tests.testapp.models import Bulletin, Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

#: Seconds after which a test that waits for other threads gives up.
PATIENCE = 20


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


@pytest.fixture(autouse=True)
def no_threads() -> Iterator[None]:
    """Each test has threads of its own, and leaves none behind."""
    yield
    if asking._pool is not None:
        asking._pool.shutdown(cancel_futures=True)
        asking._pool = None


def single(answer: Callable[[str], Any]) -> SingleProvider:
    provider = SingleProvider("single")
    provider.script = answer
    return provider


def fail(error: Exception) -> Callable[[str], Any]:
    def answer(text: str) -> None:
        # One object is one request's.
        raise copy(error)

    return answer


def states(using: str) -> list[ModerationState]:
    return list(ModerationState.objects.using(using).order_by("pk"))


# --- Parts ------------------------------------------------------------------------


def test_parts_are_asked_at_the_same_time_and_answered_in_order() -> None:
    # Passed only where as many are under way at once.
    meeting = threading.Barrier(SingleProvider.concurrency, timeout=PATIENCE)

    def answer(text: str) -> dict[str, int]:
        meeting.wait()
        return {"Hate": len(text) % 8}

    texts = ["x" * n for n in range(2 * SingleProvider.concurrency)]
    answers = ask(single(answer), texts, ["Hate"])
    severities = [
        answer if isinstance(answer, Exception) else answer.scores[0].severity
        for answer in answers
    ]
    assert severities == [len(text) % 8 for text in texts]


def test_one_part_s_fault_is_its_own() -> None:
    def answer(text: str) -> dict[str, int]:
        if text == "odd":
            raise ContentError("no")
        if text == "bug":
            raise ZeroDivisionError
        return {}

    answers = ask(single(answer), ["a", "odd", "b", "bug"], ["Hate"])
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["Verdict", "ContentError", "Verdict", "ZeroDivisionError"]


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (RateLimited("slow down", retry_after=60), 1),
        (NotFound("no such category"), 1),
        (NetworkError("down"), TOO_MANY),
        (ServerError("down"), TOO_MANY),
    ],
)
def test_where_it_is_hopeless_no_more_is_sent(error: ProviderError, most: int) -> None:
    provider = single(fail(error))
    answers = ask(provider, ["x"] * 50, ["Hate"])
    # Those under way are not called back.
    assert len(provider.calls) <= most + 2 * provider.concurrency
    unsent = [answer for answer in answers if isinstance(answer, NotSent)]
    assert len(unsent) == 50 - len(provider.calls)
    waits = {answer.retry_after for answer in unsent}
    assert waits == {1.0 if error.retry_after is None else error.retry_after}


def test_what_was_not_sent_costs_neither_quota_nor_tries(
    using: str, settings: Any
) -> None:
    counted(settings, single=True, rate=0.001, burst=50)
    provider = script(fail(ServerError("down")))
    for _ in range(50):
        Comment.objects.using(using).create(body="fine")
    assert drain(using).released == 50
    sent = len(provider.calls)
    assert 0 < sent < 50
    assert sum(state.attempts for state in states(using)) == sent
    row = ProviderBudget.objects.annotate(now=DbNow()).get()
    behind = (row.arrival_at - row.now).total_seconds() * 0.001
    assert behind == pytest.approx(sent, abs=0.5)


def test_a_child_of_a_fork_has_threads_of_its_own() -> None:
    provider = single(lambda text: {})
    ask(provider, ["a", "b"], ["Hate"])
    inherited = asking._pool
    assert inherited is not None
    asking._forget()
    assert len(ask(provider, ["a", "b"], ["Hate"])) == 2
    assert asking._pool is not inherited
    inherited.shutdown()


# --- Leases -----------------------------------------------------------------------


def test_a_slow_batch_keeps_its_lease(
    using: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text takes two thirds of the lease; a sweep comes by in between."""
    settings.CONTENTSAFETY_LEASE_SECONDS = 120
    clock = [1000.0]
    monkeypatch.setattr(claiming.time, "monotonic", lambda: clock[0])

    def answer(text: str) -> dict[str, int]:
        assert upkeep.sweep(using).freed == 0
        clock[0] += 80
        late = ModerationState.objects.using(using).filter(state="leased")
        late.update(lease_until=DbNow() - timedelta(seconds=1))
        return by_words(text)

    script(answer)
    for _ in range(4):
        Comment.objects.using(using).create(body="bad" + "x" * PIECE)
    assert drain(using, seconds=100).decided == 4
    assert [state.crashes for state in states(using)] == [0, 0, 0, 0]


def test_what_is_another_s_is_not_kept(using: str) -> None:
    for _ in range(3):
        Comment.objects.using(using).create(body="fine")
    objects = ModerationState.objects.using(using)
    rows = objects.claim(policies=["comments"], limit=3, lease=1)
    objects.filter(pk=rows[0].pk).update(lease_token="another's")
    objects.filter(pk=rows[1].pk).update(state="done", lease_token="")
    before = {row.pk: row.lease_until for row in states(using)}
    objects.keep(rows, 600)
    kept = [row.pk for row in states(using) if row.lease_until != before[row.pk]]
    assert kept == [rows[2].pk]


def test_a_release_that_fails_leaves_the_others_alone(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(text: str) -> dict[str, int]:
        if "down" in text:
            raise NetworkError("down")
        return by_words(text)

    def refuse(*args: Any, **kwargs: Any) -> bool:
        raise DatabaseError("the database hiccups")

    counted_down = script(answer)
    monkeypatch.setattr(type(counted_down), "batch_size", 1, raising=False)
    monkeypatch.setattr(StateQuerySet, "release", refuse)
    for body in ("down", "bad", "fine"):
        Comment.objects.using(using).create(body=body)
        drain(using)
    assert [state.state for state in states(using)] == ["leased", "done", "done"]


# --- Quota: who comes first -------------------------------------------------------


def test_a_bulk_round_gets_half_of_the_quota(using: str, settings: Any) -> None:
    for _ in range(20):
        Comment.objects.using(using).create(body="fine")
    while drain(using).claimed:
        pass
    counted(settings, burst=10)
    script()
    reanalyze("comments", using, by="test")
    assert drain(using).decided == 5
    make_due(using)
    assert drain(using).claimed == 0
    # The other half is there for whoever waits.
    for _ in range(20):
        Comment.objects.using(using).create(body="bad")
    assert drain(using).decided == 5
    waiting = ModerationState.objects.using(using).waited_for().filter(state="pending")
    assert waiting.count() == 15


def test_a_bulk_round_waits_while_anybody_does(using: str, settings: Any) -> None:
    for _ in range(4):
        Comment.objects.using(using).create(body="fine")
    drain(using)
    counted(settings, burst=10)
    script()
    reanalyze("comments", using, by="test")
    waiting = Comment.objects.using(using).create(body="bad")
    later = ModerationState.objects.using(using).filter(object_key=str(waiting.pk))
    # Its turn has not come yet: the quota said so.
    later.update(
        last_error_code="throttle", available_at=DbNow() + timedelta(seconds=60)
    )
    assert drain(using).claimed == 0
    later.update(available_at=DbNow())
    # Once it is served there is room for the round.
    assert drain(using).decided == 5


class Costly(SingleProvider):
    """Three requests a text, as one with three custom categories."""

    def cost(
        self, texts: Sequence[str], categories: Sequence[Asked]
    ) -> Mapping[str, int]:
        return {"text": 3 * len(texts)}


@pytest.mark.parametrize(("burst", "texts"), [(10, 3), (3, 1), (2, 1)])
def test_what_is_claimed_is_what_the_quota_can_pay(burst: int, texts: int) -> None:
    provider = Costly("costly", burst=burst)
    assert calls.room(provider, ["Hate"]) == texts
    answers = calls.analyze(provider, ["x"] * texts, ["Hate"])
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert calls.room(provider, ["Hate"]) == 0


# --- Faults that are the settings' ------------------------------------------------


def test_texts_are_not_to_blame_where_nearly_all_are_refused(
    using: str, settings: Any
) -> None:
    """A retired version of an API answers 400 to everything."""
    counted(settings, single=True, rate=1000, burst=1000)
    script(fail(ContentError("no")))
    for _ in range(60):
        Comment.objects.using(using).create(body="fine")
    for _ in range(5):
        drain(using)
        make_due(using)
    blamed = [state for state in states(using) if state.state == "exhausted"]
    assert len(blamed) <= ANSWERS * REFUSED_SHARE
    health = ProviderHealth.objects.get()
    assert (health.state, health.last_error_code) == ("open", "config")
    assert drain(using).claimed == 0
    # A probe that is refused as well changes nothing ...
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))
    assert drain(using).claimed == 1
    assert len([s for s in states(using) if s.state == "exhausted"]) == len(blamed)
    assert ProviderHealth.objects.get().state == "open"
    # ... and one that is answered ends the suspicion.
    script()
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))
    make_due(using)
    while drain(using).claimed:
        make_due(using)
    assert ProviderHealth.objects.get().state == "closed"
    assert not ModerationState.objects.using(using).filter(state="pending").exists()


def test_a_refused_text_now_and_then_is_the_text_s_fault(
    using: str, settings: Any
) -> None:
    counted(settings, single=True, rate=1000, burst=1000)

    def answer(text: str) -> dict[str, int]:
        if "odd" in text:
            raise ContentError("no")
        return by_words(text)

    script(answer)
    for number in range(200):
        body = "odd" if number % 10 == 0 else "fine"
        Comment.objects.using(using).create(body=body)
    while drain(using).claimed:
        pass
    found = [state.exhausted_reason for state in states(using)]
    assert found.count("content") == 20
    assert found.count("") == 180


def test_the_share_of_refused_texts_is_that_of_the_last_answers() -> None:
    """However the batches fall: 14 of 49, then 15 of 50, are never more than 30 %."""
    health, budget = ProviderHealth.objects, Budget("p")
    assert not health.refused(budget, 14, 49)
    assert not health.refused(budget, 15, 50)
    # Nothing but refusals, after a long time of none.
    health.succeeded(budget, "", answers=10_000)
    assert not health.refused(budget, 15, 15)
    assert health.refused(budget, 1, 1)


def test_a_missing_category_stops_its_policy_alone(using: str, settings: Any) -> None:
    for slug in ("titles", "bodies"):
        make_policy(slug)
    counted(settings, rate=1000, burst=1000)

    def answer(text: str) -> dict[str, int]:
        # Only the policy "bodies" sees the body.
        if "body" in text:
            raise NotFound("There is no such category.")
        return by_words(text)

    provider = script(answer)
    obj = Bulletin.objects.using(using).create(title="bad", body="body")
    drain(using)
    assert state_of(obj, "titles").decision == "block"
    waiting = state_of(obj, "bodies")
    assert (waiting.state, waiting.attempts) == ("pending", 0)
    # It is not asked about again, others are, and it is said.
    asked = len(provider.calls)
    make_due(using)
    Bulletin.objects.using(using).create(title="fine", body="body")
    drain(using)
    assert len(provider.calls) == asked + 1
    fact = {fact.name: fact for fact in invariants.site_invariants()}["open_breakers"]
    assert not fact.ok
    assert "policy bodies (open, missing)" in fact.words
    # The category is back.
    script()
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))
    make_due(using)
    while drain(using).claimed:
        make_due(using)
    assert state_of(obj, "bodies").decision == "block"
