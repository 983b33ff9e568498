"""What is past its retention goes, in bounded steps, and nothing else does."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import models

from django_contentsafety.documents import key_of
from django_contentsafety.flows import purge
from django_contentsafety.models import (
    DbNow,
    Heartbeat,
    LogEntry,
    ModerationResult,
    ModerationState,
)
from django_contentsafety.registry import registry
from tests.policies import state_of
from tests.testapp.models import Comment, Note, Page

pytestmark = pytest.mark.django_db(databases="__all__")


def days(count: float) -> Any:
    return DbNow() - timedelta(days=count)


def decided(using: str, *, age: float = 40, result: Any = None, **changes: Any) -> Any:
    """A comment decided ``age`` days ago, with one result of that day; its state."""
    obj = Comment.objects.using(using).create(body="what was written")
    values = {"state": "done", "decision": "allow", "decided_by": "machine"}
    values |= {"decided_generation": 1, "decided_at": days(age), **changes}
    ModerationState.objects.using(using).filter(pk=state_of(obj).pk).update(**values)
    state = state_of(obj)
    fields = {"generation": state.generation, "round": 0, "source": "default"}
    fields |= {"created_at": days(age), "text": "what was written", **(result or {})}
    names = {"model": state.model, "object_key": state.object_key}
    ModerationResult.objects.using(using).create(
        **names, policy=state.policy, state_id=state.pk, **fields
    )
    return state


def fate(state: Any, using: str) -> str:
    row = ModerationResult.objects.using(using).filter(state_id=state.pk).first()
    return "deleted" if row is None else "kept" if row.text else "erased"


def again() -> None:
    """A day passes since the last pass ended."""
    Heartbeat.objects.update(beat_at=days(1))


PERSON = {"decided_by": "person"}
#: What was decided and when, and what becomes of the result (30 and 180 days).
FATES: dict[str, tuple[dict[str, Any], str]] = {
    "allowed": ({"age": 31}, "deleted"),
    "allowed lately": ({"age": 29}, "kept"),
    "allowed again lately": ({"age": 29, "result": {"created_at": days(31)}}, "kept"),
    "allowed, and checked again now": ({"age": 31, "state": "pending"}, "kept"),
    "allowed, then changed": ({"age": 31, "generation": 2}, "kept"),
    "allowed, then a draft": ({"age": 31, "state": "exempt"}, "deleted"),
    "approved": ({"age": 31, **PERSON}, "kept"),
    "approved long ago": ({"age": 181, **PERSON}, "erased"),
    "blocked": ({"age": 179, "decision": "block"}, "kept"),
    "blocked long ago": ({"age": 181, "decision": "block"}, "erased"),
    "rejected long ago": ({"age": 181, "decision": "block", **PERSON}, "erased"),
    "held for ever": ({"age": 999, "decision": "review"}, "kept"),
    "held, decided lately": (
        {
            "age": 9,
            "decision": "block",
            "result": {"created_at": days(999)},
            **PERSON,
        },
        "kept",
    ),
    "exhausted": (
        {"age": 999, "state": "exhausted", "decision": "", "decided_generation": 0},
        "kept",
    ),
    "of an earlier text": (
        {
            "age": 181,
            "decision": "review",
            "generation": 2,
            "result": {"generation": 1},
        },
        "erased",
    ),
    "of an earlier text, lately": (
        {"age": 179, "decision": "review", "generation": 2},
        "kept",
    ),
}


@pytest.mark.parametrize("case", FATES)
def test_what_becomes_of_a_result(using: str, case: str) -> None:
    changes, expected = FATES[case]
    state = decided(using, **changes)
    LogEntry.objects.using(using).create(event="decided", created_at=days(9999))
    logged = LogEntry.objects.using(using).count()
    counts = purge.purge_results(using)
    assert fate(state, using) == expected
    assert counts == (expected == "deleted", expected == "erased")
    assert ModerationState.objects.using(using).filter(pk=state.pk).exists()
    assert LogEntry.objects.using(using).count() == logged > 0


def test_a_result_whose_object_was_deleted_goes_at_last(using: str) -> None:
    states = [decided(using, age=age) for age in (179, 181)]
    Comment.objects.using(using).all().delete()
    # Deleting has taken the text at once.
    assert [fate(state, using) for state in states] == ["erased", "erased"]
    purge.purge_results(using)
    assert [fate(state, using) for state in states] == ["erased", "deleted"]


def test_none_keeps_for_ever(settings: Any) -> None:
    settings.CONTENTSAFETY_KEEP_ALLOWED_DAYS = None
    settings.CONTENTSAFETY_KEEP_DECIDED_DAYS = None
    for changes in ({}, {"decision": "block"}):
        state = decided("default", age=9999, **changes)
        again()
        assert purge.purge_results("default") == (0, 0)
        assert fate(state, "default") == "kept"


def test_a_shorter_retention_of_cases_than_of_allowed_texts(settings: Any) -> None:
    settings.CONTENTSAFETY_KEEP_DECIDED_DAYS = 5
    allowed, blocked = (
        decided("default", age=9),
        decided("default", age=9, decision="block"),
    )
    purge.purge_results("default")
    # An allowed text's case is closed, too.
    assert [fate(allowed, "default"), fate(blocked, "default")] == ["erased", "erased"]


@pytest.fixture
def one_step(monkeypatch: Any) -> None:
    """Each call takes one step of two rows."""
    monkeypatch.setattr(purge, "CHUNK", 2)
    monkeypatch.setattr(purge, "SECONDS", 0.0)


def test_a_pass_goes_on_where_the_last_step_stopped(using: str, one_step: None) -> None:
    """Rows that stay don't keep it from those behind them."""
    for _ in range(4):
        decided(using, decision="block")
    states = [decided(using) for _ in range(3)]
    deleted = [purge.purge_results(using, seconds=0)[0] for _ in range(4)]
    assert deleted == [0, 0, 2, 1]
    assert {fate(state, using) for state in states} == {"deleted"}


def test_a_pass_ends_at_the_first_young_result(one_step: None) -> None:
    decided("default")
    for _ in range(5):
        decided("default", age=1)
    assert purge.purge_results("default", seconds=0) == (1, 0)
    assert Heartbeat.objects.get(name="results default").position == 0


def test_a_pass_begins_again_after_a_day(one_step: None) -> None:
    assert purge.purge_results("default", seconds=0) == (0, 0)
    decided("default")
    assert purge.purge_results("default", seconds=0) == (0, 0)
    again()
    assert purge.purge_results("default", seconds=0) == (1, 0)


# Rows of objects that are gone.


def make(model: type, key: Any, using: str) -> Any:
    if model is Comment:
        return Comment.objects.using(using).create(body="x")
    names = {"id": key} if model is Note else {"slug": key}
    return model._default_manager.using(using).create(**names, text="x")


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (Comment, [1, 2]),
        (Note, [uuid.uuid4(), uuid.uuid4()]),
        (Page, ["KEY-1", "key 2 "]),
    ],
    ids=["integer", "uuid", "text"],
)
def test_the_rows_of_an_object_that_is_gone_go(
    using: str, model: Any, keys: list[Any]
) -> None:
    gone, there = (make(model, key, using) for key in keys)
    names = {"model": model._meta.label_lower, "object_key": key_of(model, gone, using)}
    state = state_of(gone)
    ModerationResult.objects.using(using).create(
        **names, policy="comments", state_id=state.pk, generation=1, round=0, text="x"
    )
    model._base_manager.using(using).filter(pk=gone.pk)._raw_delete(using)
    assert purge.purge_orphans(using) == 1
    (left,) = ModerationState.objects.using(using).all()
    assert left.pk == state_of(there).pk
    (result,) = ModerationResult.objects.using(using).filter(**names)
    assert result.text is None


def test_an_object_that_the_host_s_manager_hides_is_not_gone(
    using: str, monkeypatch: Any
) -> None:
    class Nothing(models.Manager[Comment]):
        def get_queryset(self) -> Any:
            return super().get_queryset().none()

    hiding = Nothing()
    hiding.model = Comment
    monkeypatch.setattr(Comment._meta, "base_manager", hiding)
    make(Comment, None, using)
    assert purge.purge_orphans(using) == 0


def test_an_object_that_comes_back_keeps_its_row(using: str, monkeypatch: Any) -> None:
    page = make(Page, "key", using)
    state = state_of(page)
    Page.objects.using(using).filter(pk="key")._raw_delete(using)
    look = purge._existing

    def look_then_put_back(*args: Any) -> set[str]:
        found = look(*args)
        if args[0].model is Page and not Page.objects.using(using).exists():
            page.save(using=using, force_insert=True)
        return found

    monkeypatch.setattr(purge, "_existing", look_then_put_back)
    assert purge.purge_orphans(using) == 0
    assert state_of(page).pk == state.pk


def test_rows_of_a_model_that_is_not_named_any_more_stay(monkeypatch: Any) -> None:
    make(Page, "key", "default")
    Page.objects.filter(pk="key")._raw_delete("default")
    named = [moderation for moderation in registry if moderation.model is not Page]
    monkeypatch.setattr(purge, "registry", named)
    assert purge.purge_orphans("default") == 0
    assert ModerationState.objects.exists()


def test_a_key_that_is_none_of_the_models_stays() -> None:
    ModerationState.objects.create(
        model="testapp.note", object_key="no uuid", policy="comments"
    )
    assert purge.purge_orphans("default") == 0


def test_orphans_are_looked_for_in_steps(using: str, one_step: None) -> None:
    comments = [make(Comment, None, using) for _ in range(5)]
    gone = [comments[0].pk, comments[4].pk]
    Comment.objects.using(using).filter(pk__in=gone)._raw_delete(using)
    assert [purge.purge_orphans(using, seconds=0) for _ in range(4)] == [1, 0, 1, 0]
