"""A version comes to answer, is left again, goes: through the admin's pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import build, bulk_rounds, moderate, rounds, upkeep
from django_contentsafety.models import (
    Category,
    CategoryVersion,
    LogEntry,
    ModerationState,
    Policy,
    PolicyRule,
    Sample,
)
from django_contentsafety.providers import providers
from tests.admin.conftest import make_version, said, words
from tests.admin.test_story import rule_form, url
from tests.remotes import counted
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db


@pytest.fixture
def named(category: Category, policy: Policy) -> Policy:
    """A policy whose one rule asks the category; v1 answers, v2 is ready."""
    build.activate(make_version(category), by="")
    make_version(category)
    policy.rules.all().delete()
    PolicyRule.objects.create(policy=policy, category=category.name, block_at=0.5)
    Policy.objects.filter(pk=policy.pk).update(mode="live")
    return policy


def version(number: int) -> CategoryVersion:
    found: CategoryVersion = CategoryVersion.objects.get(number=number)
    return found


def judge(*bodies: str) -> None:
    for body in bodies:
        Comment.objects.create(body=body)
    moderate.drain("default")


def says(**scores: float) -> None:
    providers["default"].script = lambda text: {
        "crypto-scam": scores.get(text.strip(), 0.0)
    }


def decisions() -> list[str]:
    rows = ModerationState.objects.filter(policy="comments").order_by("pk")
    return list(rows.values_list("decision", flat=True))


# --- The three choices ----------------------------------------------------------------


def test_only_new_texts_is_the_default(root: Client, named: Policy) -> None:
    says(coins=0.9)
    judge("coins")
    page = root.get(url("activate", version(2)))
    assert page.context["chosen"] == "new"
    assert "Decisions that have been made stand." in words(page)
    says(coins=0.1)
    root.post(url("activate", version(2)))
    assert decisions() == ["block"]
    assert not LogEntry.objects.filter(event="round_asked").exists()


def test_re_deciding_is_offered_where_it_is_true_alone(
    root: Client, named: Policy
) -> None:
    says(coins=0.9)
    judge("coins", "scones")
    page = root.get(url("activate", version(2)))
    assert page.context["offered"] == ["reanalyze"]
    assert "none of the 2 newest decided texts has the answers it takes" in words(page)
    refused = root.post(url("activate", version(2)), {"texts": "redecide", "days": "7"})
    assert "That is not possible here" in words(refused)
    assert Category.objects.get().active_version == version(1)


def test_activate_and_re_analyze_then_roll_back_and_re_decide(
    root: Client, named: Policy
) -> None:
    says(coins=0.9)
    judge("coins", "scones")
    says(coins=0.2, scones=0.8)
    page = root.get(url("activate", version(2)))
    assert [row["texts"] for row in page.context["periods"]] == [2] * 5
    response = root.post(
        url("activate", version(2)), {"texts": "reanalyze", "days": "7"}, follow=True
    )
    assert "crypto-scam v2 answers from now on." in said(response)
    assert "2 earlier texts wait to be judged again." in said(response)
    # Nothing is hidden or shown before there is another decision.
    assert decisions() == ["block", "allow"]
    moderate.drain("default")
    assert decisions() == ["allow", "block"]

    button = root.get(url("change", version(2)))
    assert "Roll back to v1" in words(button)
    page = root.get(url("activate", version(1)))
    assert "Roll back to crypto-scam v1?" in words(page)
    assert page.context["offered"] == ["redecide", "reanalyze"]
    assert "Of the 2 newest decided texts 2 have the answers it takes" in words(page)
    providers["default"].calls.clear()
    response = root.post(
        url("activate", version(1)), {"texts": "redecide", "days": ""}, follow=True
    )
    assert "2 earlier texts were looked at, 2 decided otherwise." in said(response)
    assert providers["default"].calls == []
    assert decisions() == ["block", "allow"]


def test_a_refused_round_does_not_hide_that_the_version_answers(
    root: Client, named: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(coins=0.9)
    judge("coins")

    def refuse(*args: Any, **options: Any) -> None:
        raise RefusedError("Somebody has just asked.")

    monkeypatch.setattr(bulk_rounds, "ask", refuse)
    response = root.post(
        url("activate", version(2)), {"texts": "reanalyze", "days": "7"}, follow=True
    )
    assert "v2 answers from now on." in said(response)
    assert "Somebody has just asked." in said(response)


def test_a_long_round_goes_on_by_itself(
    root: Client, named: Policy, monkeypatch: Any
) -> None:
    monkeypatch.setattr(rounds, "STEP", 1)
    monkeypatch.setattr("django_contentsafety.admin.earlier.SECONDS", 0)
    says()
    judge("one", "two", "three")
    data = {"texts": "reanalyze", "days": ""}
    response = root.post(url("activate", version(2)), data, follow=True)
    assert "The housekeeping goes on with the others" in said(response)
    page = words(root.get(url("change", named)))
    assert "Earlier texts are being judged again" in page
    upkeep.tick()
    upkeep.tick()
    assert not bulk_rounds.running("default")
    assert list(ModerationState.objects.values_list("round", flat=True)) == [1, 1, 1]
    assert "being judged again" not in words(root.get(url("change", named)))


def test_what_it_costs_is_said(root: Client, named: Policy, settings: Any) -> None:
    says()
    judge("one", "two", "three")
    counted(settings, rate=0.01)
    page = words(root.get(url("activate", version(2))))
    assert "default: 3" in page
    assert "about 10 min" in page
    assert "The providers are asked again" in page


def test_a_policy_that_is_off_is_left_out(root: Client, named: Policy) -> None:
    says()
    judge("one")
    Policy.objects.update(mode="off")
    page = words(root.get(url("activate", version(2))))
    assert "The earlier texts of comments stay as they are. It is off." in page


# --- The bar --------------------------------------------------------------------------


def test_below_the_bar_the_page_says_what_lacks(
    staff: Callable[..., Client], named: Policy, settings: Any
) -> None:
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.8, "recall_low": 0.3}
    client = staff("view_categoryversion", "activate_version")
    page = client.get(url("activate", version(2)))
    text = words(page)
    assert "Precision 0.5 0.8 0.3" in text
    assert "Recall, the lower end of its interval 0.1 0.3 0.2" in text
    assert "ask somebody who may activate below the bar" in text
    assert 'type="submit"' not in page.content.decode().split("content-main")[1]
    # A reason is not enough, nor is knowing the form.
    data = {"reason": "I want to", "override_reason": "I want to"}
    response = client.post(url("activate", version(2)), data, follow=True)
    assert "falls short of the bar" in said(response)
    assert Category.objects.get().active_version == version(1)


def test_who_may_override_the_bar_says_why(
    staff: Callable[..., Client], named: Policy, settings: Any
) -> None:
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision": 0.8}
    client = staff("view_categoryversion", "activate_version", "override_bar")
    page = client.get(url("activate", version(2)))
    assert "You may activate it all the same, with a reason." in words(page)
    page = client.post(url("activate", version(2)), {"reason": " "})
    assert "Say why it is activated below the bar." in words(page)
    assert Category.objects.get().active_version == version(1)
    client.post(url("activate", version(2)), {"reason": "v1 is worse"})
    assert Category.objects.get().active_version == version(2)
    entry = LogEntry.objects.get(event="activated", to_value="v2")
    assert (entry.reason, entry.details["below"]) == ("v1 is worse", ["precision"])
    too_long = client.post(url("activate", version(1)), {"reason": "x" * 201})
    assert "at most 200 characters" in words(too_long)


def test_every_step_can_have_its_reason(root: Client, named: Policy) -> None:
    root.post(url("activate", version(2)), {"reason": "fewer false alarms"})
    assert LogEntry.objects.get(to_value="v2").reason == "fewer false alarms"


# --- Back, and out of use -------------------------------------------------------------


def test_a_roll_back_is_one_click_away(
    staff: Callable[..., Client], category: Category, named: Policy
) -> None:
    build.activate(version(2), by="")
    address = url("activate", version(1))
    client = staff("view_category", "view_categoryversion", "activate_version")
    for obj in (category, version(2)):
        page = client.get(url("change", obj))
        assert "Roll back to v1" in words(page)
        assert address in page.content.decode()
    plain = staff("view_category", "view_categoryversion")
    for obj in (category, version(2)):
        assert "Roll back" not in words(plain.get(url("change", obj)))


def test_retire_reinstate_delete(root: Client, named: Policy) -> None:
    page = words(root.get(url("retire", version(2))))
    assert "Retire crypto-scam v2?" in page
    response = root.post(url("retire", version(2)), {"reason": "wrong"}, follow=True)
    assert "crypto-scam v2 is retired." in said(response)
    assert version(2).status == "retired"
    assert LogEntry.objects.first().reason == "wrong"  # type: ignore[union-attr]
    root.post(url("reinstate", version(2)), {"reason": ""})
    assert version(2).status == "ready"
    root.post(url("remove", version(2)), {"reason": ""})
    assert version(2).status in ("deleting", "deleted")
    for act in ("retire", "remove"):
        response = root.post(url(act, version(1)), {"reason": ""}, follow=True)
        assert version(1).status == "ready"


# --- A policy's change ----------------------------------------------------------------


def test_a_changed_threshold_asks_which_texts_it_concerns(
    root: Client, named: Policy
) -> None:
    says(coins=0.7)
    judge("coins", "scones")
    rule = named.rules.get()
    data = {
        **rule_form(named, provider="default", review_at="", block_at="0.9"),
        "rules-INITIAL_FORMS": 1,
        "rules-0-id": rule.pk,
        "rules-0-policy": named.pk,
    }
    response = root.post(url("change", named), data)
    assert response["Location"] == url("rejudge", named)
    page = root.get(url("rejudge", named))
    assert page.context["offered"] == ["redecide", "reanalyze"]
    response = root.post(
        url("rejudge", named), {"texts": "redecide", "days": "30"}, follow=True
    )
    assert "2 earlier texts were looked at, 1 decided otherwise." in said(response)
    assert decisions() == ["allow", "allow"]


def test_what_readers_see_concerns_no_decision(root: Client, named: Policy) -> None:
    says()
    judge("one")
    rule = named.rules.get()
    data = {
        **rule_form(named, provider="default", review_at="", block_at="0.5"),
        "rules-INITIAL_FORMS": 1,
        "rules-0-id": rule.pk,
        "rules-0-policy": named.pk,
        "on_pending": "hide",
    }
    response = root.post(url("change", named), data)
    assert response["Location"] == reverse("admin:contentsafety_policy_changelist")


def test_a_round_is_called_off(root: Client, named: Policy) -> None:
    says()
    judge("one", "two")
    root.post(url("rejudge", named), {"texts": "reanalyze", "days": ""})
    page = words(root.get(url("rejudge", named)))
    assert "default re-analyze all are put up – 2" in page
    response = root.post(url("rejudge", named), {"call_off": "1"}, follow=True)
    assert "2 texts that waited keep their decisions" in said(response)
    assert not ModerationState.objects.exclude(state="done").exists()


# --- What changed, and the files ------------------------------------------------------


def test_what_changed(
    root: Client, staff: Callable[..., Client], category: Category
) -> None:
    make_version(category)
    Category.objects.update(definition="Lures to send coins.")
    kept = Sample.objects.filter(is_positive=True).order_by("pk")
    kept.filter(pk=kept[0].pk).delete()
    kept.update(is_positive=False)
    Sample.objects.create(category=category, text="brand new words")
    category.refresh_from_db()
    make_version(category)
    address = url("diff", version(2))
    page = words(root.get(address))
    assert "Added 1 Removed 1 Relabeled 1 Unchanged 2" in page
    assert "brand new words" in page
    assert "offer 0 of the week" in page
    plain = words(staff("view_categoryversion").get(address))
    assert "Added 1 Removed 1 Relabeled 1 Unchanged 2" in plain
    assert "brand new words" not in plain
    assert "offer 0 of the week" not in plain
    assert "view_sample_text" in plain
    assert "no earlier version" in words(root.get(url("diff", version(1))))
    CategoryVersion.objects.filter(number=1).update(status="deleted")
    assert "no earlier version" in words(root.get(address))
    for page in ("diff", "export_samples"):
        response = root.get(url(page, version(1)), follow=True)
        assert "samples of crypto-scam v1 were deleted with it" in words(response)
    CategoryVersion.objects.filter(number=1).update(status="ready")
    backwards = words(root.get(url("diff", version(1)), {"with": "2"}))
    assert "Added 1 Removed 1 Relabeled 1" in backwards
    for wrong in ("9", "-1", "x", "1" * 99, "²"):
        assert "no such version" in words(root.get(address, {"with": wrong}))


def test_downloads(root: Client, category: Category) -> None:
    frozen = make_version(category)
    for obj, name in ((category, "crypto-scam"), (frozen, "crypto-scam-v1")):
        response = root.get(url("export_samples", obj))
        assert b"".join(response.streaming_content) == bytes(frozen.samples_jsonl)  # type: ignore[attr-defined]
        assert f'filename="{name}.jsonl"' in response["Content-Disposition"]


def test_a_sample_that_no_line_can_hold_breaks_no_download(
    root: Client, category: Category
) -> None:
    make_version(category)
    Sample.objects.bulk_create(
        [Sample(category=category, text="a\x00b", text_hash="x", is_positive=True)]
    )
    response = root.get(url("export_samples", category), follow=True)
    assert "NUL" in said(response)


# --- Try it ---------------------------------------------------------------------------


def test_try_it(root: Client, category: Category, named: Policy) -> None:
    assert (
        root.get(url("try_it", category), {"text": "hello"})
        .context["form"]["text"]
        .value()
        is None
    )
    says(coins=0.87)
    page = words(root.post(url("try_it", category), {"text": "coins"}))
    assert "v1 Active Score 0.87" in page
    assert "v2 Score 0.87" in page
    assert "it says “detected” from 0.50 on" in page
    assert "Block" in page
    assert "crypto-scam by default: 0.87, from 0.5 on" in page
    assert "Write a text first." in words(root.post(url("try_it", category), {}))
    long = root.post(url("try_it", category), {"text": "x" * 20_001})
    assert "at most 20000 characters" in words(long)
    assert "on the network" not in page


def test_trying_over_the_network_asks_first(
    root: Client, category: Category, named: Policy, settings: Any
) -> None:
    counted(settings)
    page = words(root.get(url("try_it", category)))
    assert "Ask providers on the network too: default" in page
    page = words(root.post(url("try_it", category), {"text": "coins"}))
    assert "was not asked: that costs a request" in page
    assert providers["default"].calls == []
    data = {"text": "coins", "remote": "on"}
    page = words(root.post(url("try_it", category), data))
    assert "was not asked" not in page
    assert len(providers["default"].calls) == 3
