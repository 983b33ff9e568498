"""A round that a person asked for: goes on by itself, ends once, says what it did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import build, bulk_rounds, estimates, rounds, upkeep
from django_contentsafety.flows.estimates import PERIODS, look_ahead
from django_contentsafety.flows.heartbeats import lead
from django_contentsafety.flows.moderate import drain
from django_contentsafety.flows.plans import reference
from django_contentsafety.models import (
    BulkRound,
    Category,
    CategoryVersion,
    DbNow,
    LogEntry,
    ModerationResult,
    ModerationState,
    Policy,
    PolicyRule,
)
from tests.admin.conftest import make_version
from tests.policies import make_policy, script, state_of
from tests.remotes import counted
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def policy() -> Policy:
    script()
    return make_policy()


@pytest.fixture
def versions(policy: Policy) -> list[CategoryVersion]:
    """Two ready ones, the first of them active, and a rule that asks them alone."""
    category = Category.objects.create(name="scam", definition="d", provider="default")
    found = [make_version(category) for _number in range(2)]
    build.activate(found[0], by="7")
    policy.rules.all().delete()
    PolicyRule.objects.create(policy=policy, category="scam", block_at=0.5)
    return found


def judged(using: str, *bodies: str) -> list[Comment]:
    objs = [Comment.objects.using(using).create(body=body) for body in bodies]
    drain(using)
    return objs


def decisions(objs: list[Comment]) -> list[str]:
    return [state_of(obj).decision for obj in objs]


def finish(using: str) -> None:
    while bulk_rounds.running(using):
        bulk_rounds.advance(using)


def logged(using: str, event: str) -> list[dict[str, Any]]:
    rows = LogEntry.objects.using(using).filter(event=event).order_by("pk")
    return list(rows.values_list("details", flat=True))


# --- What re-deciding means for another version ---------------------------------------


def test_after_a_roll_back_the_stored_answers_of_that_version_decide(
    using: str, versions: list[CategoryVersion]
) -> None:
    first, second = versions
    script(lambda text: {"scam": 0.9 if "coins" in text else 0.1})
    objs = judged(using, "coins", "scones")
    build.activate(second, by="7")
    script(lambda text: {"scam": 0.2})
    bulk_rounds.ask("comments", "reanalyze", using, by="7")
    finish(using)
    drain(using)
    assert decisions(objs) == ["allow", "allow"]

    build.activate(first, by="7")
    provider = script(lambda text: {"scam": 0.0})
    bulk_rounds.ask("comments", "redecide", using, by="7")
    finish(using)
    assert decisions(objs) == ["block", "allow"]
    assert provider.calls == []
    assert logged(using, "redecided")[-1]["changed"] == 1


def test_another_versions_scores_decide_nothing(
    using: str, versions: list[CategoryVersion]
) -> None:
    script(lambda text: {"scam": 0.9})
    objs = judged(using, "coins")
    candidate = reference(versions[1].pk, "scam", 2, "")
    outlook = look_ahead(["comments"], [using], versions=[candidate])
    assert (outlook.looked_at, outlook.stored) == (1, 0)
    assert look_ahead(["comments"], [using]).stored == 1
    build.activate(versions[1], by="7")
    PolicyRule.objects.filter(category="scam").update(block_at=0.95)
    bulk_rounds.ask("comments", "redecide", using, by="7")
    finish(using)
    assert decisions(objs) == ["block"]
    assert logged(using, "redecided") == [
        {"policy_version": 2, "seen": 1, "changed": 0, "unanswered": 1}
    ]


def test_a_stale_answer_decides_nothing(
    using: str, versions: list[CategoryVersion]
) -> None:
    script(lambda text: {"scam": 0.9})
    (obj,) = judged(using, "coins")
    (result,) = ModerationResult.objects.using(using).filter(policy="comments")
    ModerationResult.objects.using(using).bulk_create(
        [
            ModerationResult(
                **{
                    name: getattr(result, name)
                    for name in ("model", "object_key", "policy", "state_id", "source")
                },
                generation=1,
                round=9,
                scores=[{"category": "scam", "score": 0.0}],
                versions={"scam": 1},
                is_stale=True,
            )
        ]
    )
    rounds.redecide("comments", using, by="")
    assert decisions([obj]) == ["block"]


def test_a_rule_for_what_nobody_was_asked_about_is_no_reason_to_hold_a_text(
    using: str, policy: Policy
) -> None:
    objs = judged(using, "fine")
    PolicyRule.objects.create(
        policy=policy, category="Violence", scale="severity", block_at=6
    )
    PolicyRule.objects.filter(category="Hate").delete()
    stored = rounds.redecide("comments", using, by="")
    assert (stored.seen, stored.unanswered) == (1, 1)
    assert decisions(objs) == ["allow"]


# --- Step by step ---------------------------------------------------------------------


def test_a_round_goes_on_where_it_was(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(rounds, "STEP", 2)
    objs = judged(using, *["dubious"] * 5)
    PolicyRule.objects.update(review_at=6, block_at=None)
    asked = bulk_rounds.ask("comments", "redecide", using, by="7")
    assert bulk_rounds.advance(using, seconds=0) == 2
    assert sorted(decisions(objs)) == ["allow"] * 2 + ["review"] * 3
    asked.refresh_from_db()
    assert (asked.seen, asked.changed, asked.ended_at) == (2, 2, None)
    counts = upkeep.SweepCounts()
    upkeep.STEPS["rounds"](using, counts)
    assert counts.judged_again == 3
    assert decisions(objs) == ["allow"] * 5
    asked.refresh_from_db()
    assert asked.ended_at is not None
    assert bulk_rounds.running(using) == []
    (entry,) = LogEntry.objects.using(using).filter(event="redecided")
    assert entry.actor_key == "7"
    assert entry.details["seen"] == entry.details["changed"] == 5


def test_what_comes_later_is_none_of_its_business(using: str) -> None:
    judged(using, "fine")
    bulk_rounds.ask("comments", "reanalyze", using, by="7")
    later = judged(using, "fine")
    finish(using)
    assert state_of(later[0]).round == 0
    assert logged(using, "reanalyzed")[0]["seen"] == 1


def test_only_texts_of_that_time(using: str) -> None:
    old, new = judged(using, "fine", "fine")
    ModerationState.objects.using(using).filter(pk=state_of(old).pk).update(
        decided_at=DbNow() - timedelta(days=9)
    )
    bulk_rounds.ask("comments", "reanalyze", using, by="7", since=timedelta(days=7))
    finish(using)
    assert [state_of(obj).round for obj in (old, new)] == [0, 1]
    assert logged(using, "round_asked") == [{"days": 7}]


def test_asking_again_ends_the_former_round(using: str) -> None:
    judged(using, "fine")
    first = bulk_rounds.ask("comments", "redecide", using, by="7")
    second = bulk_rounds.ask("comments", "reanalyze", using, by="8")
    first.refresh_from_db()
    assert first.ended_at is not None
    assert bulk_rounds.running(using) == [second]
    assert logged(using, "redecided")[0]["seen"] == 0
    finish(using)
    assert len(logged(using, "redecided")) == len(logged(using, "reanalyzed")) == 1


def test_two_who_ask_at_once(using: str, monkeypatch: Any) -> None:
    judged(using, "fine")
    real = bulk_rounds.BulkRound.objects.using(using).create

    class Late:
        """Somebody else's row comes in between."""

        def __call__(self, **values: Any) -> Any:
            real(policy="comments", live_policy="comments", kind="redecide")
            return real(**values)

    class Manager:
        def using(self, alias: str) -> Any:
            rows = BulkRound._default_manager.using(alias)
            rows.create = Late()  # type: ignore[method-assign]
            return rows

    class Rounds:
        objects = Manager()

    monkeypatch.setattr(bulk_rounds, "BulkRound", Rounds)
    with pytest.raises(RefusedError, match="Somebody has just asked"):
        bulk_rounds.ask("comments", "reanalyze", using, by="7")


def test_under_a_policy_that_is_off_it_waits(using: str, policy: Policy) -> None:
    (obj,) = judged(using, "dubious")
    bulk_rounds.ask("comments", "reanalyze", using, by="7")
    Policy.objects.update(mode="off")
    assert bulk_rounds.advance(using) == 0
    assert len(bulk_rounds.running(using)) == 1
    Policy.objects.update(mode="live")
    finish(using)
    assert state_of(obj).round == 1


def test_without_its_policy_it_ends(using: str, policy: Policy) -> None:
    judged(using, "dubious")
    bulk_rounds.ask("comments", "reanalyze", using, by="7")
    policy.delete()
    bulk_rounds.advance(using)
    assert bulk_rounds.running(using) == []
    assert len(logged(using, "reanalyzed")) == 1


def test_called_off(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(rounds, "STEP", 2)
    objs = judged(using, *["bad"] * 3)
    bulk_rounds.ask("comments", "reanalyze", using, by="7")
    bulk_rounds.advance(using, seconds=0)
    assert bulk_rounds.stop("comments", using, by="8") == 2
    assert bulk_rounds.running(using) == []
    assert decisions(objs) == ["block"] * 3
    assert [state_of(obj).state for obj in objs] == ["done"] * 3
    assert bulk_rounds.advance(using) == 0


def test_one_at_a_time(using: str) -> None:
    judged(using, "fine")
    bulk_rounds.ask("comments", "redecide", using, by="7")
    with lead("rounds") as leading:
        assert leading
        assert bulk_rounds.advance(using) == 0
    assert bulk_rounds.advance(using) == 1


# --- What it would take ---------------------------------------------------------------


def test_the_estimate_counts_by_period(using: str, settings: Any) -> None:
    objs = judged(using, "fine", "fine", "fine")
    for obj, days in zip(objs, (0.5, 5, 50), strict=True):
        ModerationState.objects.using(using).filter(pk=state_of(obj).pk).update(
            decided_at=DbNow() - timedelta(days=days)
        )
    found = look_ahead(["comments"], [using]).estimates
    assert [(e.days, e.texts) for e in found] == list(
        zip(PERIODS, (1, 2, 2, 3, 3), strict=True)
    )
    assert all(dict(e.requests) == {} for e in found)

    counted(settings, rate=0.1)
    found = look_ahead(["comments"], [using]).estimates
    assert dict(found[-1].requests) == {"default": 3}
    # Of a quota a round gets half.
    assert found[-1].seconds == pytest.approx(60)


def test_nobody_guesses_how_long_a_provider_takes(using: str, settings: Any) -> None:
    judged(using, "fine")
    # It counts nothing, and has never answered.
    settings.CONTENTSAFETY_PROVIDERS = {
        **settings.CONTENTSAFETY_PROVIDERS,
        "far": {"BACKEND": "tests.remotes.CountedProvider", "OPTIONS": {"rate": None}},
    }
    PolicyRule.objects.update(provider="far")
    assert look_ahead(["comments"], [using]).estimates[-1].seconds is None


def test_what_decides_nothing_is_left_out(using: str, policy: Policy) -> None:
    judged(using, "fine")
    policy.rules.all().delete()
    outlook = look_ahead(["comments", "posts", "nobody"], [using])
    assert outlook.policies == ["posts"]
    assert "no rules" in outlook.left_out["comments"]
    assert outlook.left_out["nobody"] == ""


def test_a_long_table_is_not_counted_whole(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(estimates, "MOST", 2)
    judged(using, "fine", "fine", "fine")
    last = look_ahead(["comments"], [using]).estimates[-1]
    assert (last.texts, last.is_least) == (2, True)
