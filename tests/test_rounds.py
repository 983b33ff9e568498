"""Judging again: hides nothing while it runs, never touches a person's decision."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_contentsafety import visible
from django_contentsafety.flows import review, rounds
from django_contentsafety.flows.moderate import drain
from django_contentsafety.models import (
    DbNow,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
)
from tests.policies import make_policy, script, state_of
from tests.remotes import counted
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


def judged(using: str, *bodies: str) -> list[Comment]:
    objs = [Comment.objects.using(using).create(body=body) for body in bodies]
    drain(using)
    return objs


def decisions(objs: list[Comment]) -> list[str]:
    return [state_of(obj).decision for obj in objs]


# --- From stored answers ----------------------------------------------------------


def test_redecide_applies_new_rules_without_asking(using: str) -> None:
    objs = judged(using, "fine", "dubious", "bad")
    PolicyRule.objects.update(review_at=6, block_at=None)
    provider = script()
    counts = rounds.redecide("comments", using, by="7")
    assert (counts.seen, counts.changed, counts.unanswered) == (3, 2, 0)
    assert decisions(objs) == ["allow", "allow", "review"]
    assert provider.calls == []
    entry = LogEntry.objects.using(using).get(event="redecided")
    assert (entry.actor_key, entry.details["changed"]) == ("7", 2)


def test_redecide_leaves_what_lacks_an_answer(using: str, live_policy: Policy) -> None:
    objs = judged(using, "fine")
    PolicyRule.objects.create(
        policy=live_policy,
        provider="local",
        category=make_category(),
        scale="score",
        block_at=0.5,
    )
    with pytest.raises(KeyError):
        rounds.redecide("no-such-policy", using, by="")
    assert rounds.redecide("comments", using, by="").unanswered == 1
    assert decisions(objs) == ["allow"]


def make_category() -> str:
    from django_contentsafety.models import Category

    return str(Category.objects.create(name="scam", definition="x", provider="local"))


@pytest.mark.parametrize("act", [rounds.redecide, rounds.reanalyze])
def test_a_person_s_decision_is_never_touched(using: str, act: Any) -> None:
    (obj,) = judged(using, "bad")
    review.approve(state_of(obj).pk, using=using, generation=1, by="7")
    act("comments", using, by="")
    drain(using)
    assert decisions([obj]) == ["allow"]
    assert state_of(obj).decided_by == "person"


def test_since_leaves_older_ones(using: str) -> None:
    old, new = judged(using, "dubious", "dubious")
    ModerationState.objects.using(using).filter(pk=state_of(old).pk).update(
        decided_at=DbNow() - timedelta(days=9)
    )
    PolicyRule.objects.update(review_at=None)
    rounds.redecide("comments", using, by="", since=timedelta(days=7))
    assert decisions([old, new]) == ["review", "allow"]


# --- By asking again --------------------------------------------------------------


def test_reanalyze_hides_nothing_while_it_runs(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(rounds, "STEP", 2)
    objs = judged(using, "fine", "fine", "fine", "fine", "bad")
    comments = Comment.objects.using(using)
    shown: list[int] = []
    rounds.reanalyze(
        "comments", using, by="", progress=lambda _: shown.append(count(comments))
    )
    assert shown == [4, 4, 4]
    script(lambda text: {"Hate": 0})
    drain(using, limit=1, seconds=0.0001)
    assert count(comments) >= 4
    drain(using)
    assert count(comments) == 5
    assert [state_of(obj).round for obj in objs] == [1] * 5
    assert ModerationResult.objects.using(using).count() == 10


def count(comments: Any) -> int:
    return len(visible(comments))


def test_a_round_comes_after_everybody_who_waits(using: str) -> None:
    judged(using, "fine")
    rounds.reanalyze("comments", using, by="")
    Comment.objects.using(using).create(body="new")
    rows = ModerationState.objects.using(using).order_by("priority")
    assert [row.round for row in rows] == [0, 1]


def test_what_could_not_be_checked_gets_another_chance(using: str) -> None:
    (obj,) = judged(using, "fine")
    ModerationState.objects.using(using).update(
        state="exhausted", exhausted_reason="bug", decision="", decided_generation=0
    )
    rounds.reanalyze("comments", using, by="")
    drain(using)
    assert decisions([obj]) == ["allow"]


def test_a_round_can_be_called_off(using: str) -> None:
    objs = judged(using, "fine", "bad")
    rounds.reanalyze("comments", using, by="")
    waiting = Comment.objects.using(using).create(body="new")
    assert rounds.call_off("comments", using, by="7") == 2
    assert decisions(objs) == ["allow", "block"]
    assert drain(using).claimed == 1
    assert decisions([waiting]) == ["allow"]


def test_an_edit_during_a_round_is_an_edit(using: str) -> None:
    (obj,) = judged(using, "fine")
    rounds.reanalyze("comments", using, by="")
    obj.body = "bad"
    obj.save()
    drain(using)
    assert decisions([obj]) == ["block"]
    assert state_of(obj).round == 0


# --- The command ------------------------------------------------------------------


def moderate(*words: str) -> str:
    out = StringIO()
    call_command("contentsafety_moderate", *words, stdout=out)
    return out.getvalue()


def test_the_command_backfills(using: str) -> None:
    Comment.objects.using(using).bulk_create(
        [Comment(body="old"), Comment(body="bad")], contentsafety="reconcile"
    )
    out = moderate("testapp.Comment", f"--database={using}", "--work")
    assert "2 texts were submitted" in out
    assert "2 decided" in out
    assert "0 texts" in moderate("testapp.Comment", f"--database={using}")


def test_the_command_redecides_and_reanalyzes(using: str) -> None:
    judged(using, "bad")
    PolicyRule.objects.update(block_at=None)
    out = moderate("testapp.Comment", f"--database={using}", "--redecide")
    assert "1 looked at, 1 decided otherwise" in out
    words = ("testapp.Comment", f"--database={using}", "--reanalyze")
    assert "1 texts wait" in moderate(*words)
    assert "1 texts keep" in moderate(*words[:2], "--call-off")
    assert "1 decided" in moderate(*words, "--work")


def test_the_command_asks_before_it_costs(settings: Any, monkeypatch: Any) -> None:
    counted(settings)
    script()
    judged("default", "fine")
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))
    with pytest.raises(CommandError, match="--yes"):
        moderate("testapp.Comment", "--reanalyze")
    assert drain("default").claimed == 0
    assert "1 texts wait" in moderate("testapp.Comment", "--reanalyze", "--yes")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["testapp.Nothing"], "There is no model"),
        (["comment"], "There is no model"),
        (["auth.User"], "is not moderated"),
        (["testapp.Comment", "--policy=posts"], "but under: comments"),
    ],
)
def test_bad_words_are_answered_in_words(words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        moderate(*words)


def test_a_policy_that_is_off_is_said_so() -> None:
    Policy.objects.update(mode="off")
    with pytest.raises(CommandError, match="decides nothing: it is off"):
        moderate("testapp.Comment")
