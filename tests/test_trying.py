"""Trying a text: what is said, and that nothing of it stays."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.apps import apps

from django_contentsafety.exceptions import ProviderBug, RateLimited, ServerError
from django_contentsafety.flows import build
from django_contentsafety.flows.trying import (
    VERSIONS,
    ready_versions,
    remote_providers,
    try_text,
)
from django_contentsafety.models import (
    Blocklist,
    Category,
    CategoryVersion,
    Policy,
    PolicyRule,
)
from django_contentsafety.providers import providers
from tests.admin.conftest import make_version, samples
from tests.policies import make_policy, script
from tests.remotes import counted

pytestmark = pytest.mark.django_db

SECRET = "double your coins, dear secret reader"


@pytest.fixture
def category() -> Category:
    script(lambda text: {"scam": 0.8})
    made: Category = Category.objects.create(
        name="scam", definition="d", provider="default"
    )
    return made


@pytest.fixture
def policy(category: Category) -> Policy:
    made = make_policy()
    made.rules.all().delete()
    PolicyRule.objects.create(policy=made, category="scam", review_at=0.5, block_at=0.9)
    return made


def everything() -> dict[str, list[Any]]:
    return {
        model._meta.label: list(model.objects.order_by("pk").values())
        for model in apps.get_models()
    }


def test_what_versions_and_policies_say(category: Category, policy: Policy) -> None:
    first, second = make_version(category), make_version(category)
    build.activate(first, by="")
    category.refresh_from_db()
    trial = try_text(category, SECRET)
    assert [(t.version, t.is_active) for t in trial.versions] == [
        (first, True),
        (second, False),
    ]
    assert {t.score.score for t in trial.versions if t.score} == {0.8}
    assert {t.threshold for t in trial.versions} == {0.5}
    (decided,) = trial.policies
    assert (decided.slug, decided.mode, decided.problem) == ("comments", "live", "")
    assert decided.decision is not None
    assert decided.decision.value == "review"


def test_each_version_is_asked_itself() -> None:
    category = Category.objects.create(name="scam", definition="d", provider="local")
    build.import_samples(category, samples(), filename="f", by="")
    first = build.freeze(category, by="")
    build.run(build.start(first, by=""))
    # The second one has learned the opposite.
    for sample in category.samples.all():
        sample.is_positive = not sample.is_positive
        sample.save()
    second = build.freeze(category, by="")
    build.run(build.start(second, by=""))
    text = "double your coins now, offer 3 of the week"
    newer, older = try_text(category, text).versions
    assert (newer.version, older.version) == (second, first)
    assert newer.score is not None
    assert older.score is not None
    assert older.score.score is not None
    assert newer.score.score is not None
    assert older.score.score > 0.5 > newer.score.score
    words = {text[span.start : span.end] for span in older.spans}
    assert "coins" in " ".join(words)
    # The page needs none of them.
    assert newer.version.get_deferred_fields() == {
        "artifact",
        "samples_jsonl",
        "withheld_jsonl",
    }


def test_nothing_is_stored_and_nothing_logged(
    category: Category, policy: Policy, caplog: Any
) -> None:
    build.activate(make_version(category), by="")
    category.refresh_from_db()
    before = everything()
    with caplog.at_level(logging.DEBUG):
        try_text(category, SECRET)
        script(_broken)
        trial = try_text(category, SECRET)
    assert everything() == before
    assert "secret" not in caplog.text
    assert "secret" not in str([t.problem for t in trial.versions])
    assert "secret" not in str([t.problem for t in trial.policies])


def _broken(text: str) -> Any:
    raise ValueError(text)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServerError("It is unwell."), "gave no answer: It is unwell."),
        (RateLimited("Later.", retry_after=9), "gave no answer: Later."),
        (ProviderBug("A mistake."), "gave no answer"),
        (ValueError(SECRET), "default"),
    ],
)
def test_a_provider_that_fails_is_said_in_words(
    category: Category, policy: Policy, error: Exception, words: str
) -> None:
    build.activate(make_version(category), by="")
    category.refresh_from_db()

    def fail(text: str) -> Any:
        raise error

    script(fail)
    trial = try_text(category, SECRET)
    for problem in (trial.versions[0].problem, trial.policies[0].problem):
        assert words in problem
        assert SECRET not in problem
    assert trial.policies[0].decision is None


def test_a_provider_on_the_network_is_asked_only_if_it_may(
    category: Category, policy: Policy, settings: Any
) -> None:
    build.activate(make_version(category), by="")
    category.refresh_from_db()
    assert remote_providers(category) == []
    counted(settings)
    provider = providers["default"]
    provider.script = lambda text: {"scam": 0.95}
    assert remote_providers(category) == ["default"]
    trial = try_text(category, SECRET)
    assert provider.calls == []
    assert "that costs a request" in trial.versions[0].problem
    assert "that costs a request" in trial.policies[0].problem
    trial = try_text(category, SECRET, remote=True)
    assert provider.calls == [[SECRET], [SECRET]]
    assert trial.policies[0].decision is not None
    assert trial.policies[0].decision.value == "block"


def test_a_block_by_a_list_needs_no_provider(
    category: Category, policy: Policy, settings: Any
) -> None:
    build.activate(make_version(category), by="")
    category.refresh_from_db()
    blocklist = Blocklist.objects.create(name="b")
    blocklist.items.create(term="coins")
    policy.blocklists.add(blocklist)
    counted(settings)
    (decided,) = try_text(category, SECRET).policies
    assert decided.decision is not None
    assert decided.decision.value == "block"


def test_a_text_that_a_provider_does_not_take(
    category: Category, policy: Policy, monkeypatch: Any
) -> None:
    build.activate(make_version(category), by="")
    category.refresh_from_db()
    monkeypatch.setattr(type(providers["default"]), "max_text_length", 10)
    trial = try_text(category, SECRET)
    assert "at most 10 characters" in trial.versions[0].problem
    assert "at most 10 characters" in trial.policies[0].problem
    assert providers["default"].calls == []


def test_policies_that_decide_nothing_say_why(
    category: Category, policy: Policy
) -> None:
    make_version(category)
    other = Policy.objects.create(slug="other", mode="off")
    PolicyRule.objects.create(policy=other, category="scam", block_at=0.5)
    comments, off = try_text(category, SECRET).policies
    assert "No version is active of: scam" in comments.problem
    assert off.problem.startswith("It is off")


def test_a_provider_that_the_settings_lost(category: Category, settings: Any) -> None:
    version = make_version(category)
    settings.CONTENTSAFETY_PROVIDERS = {
        "local": settings.CONTENTSAFETY_PROVIDERS["local"]
    }
    assert version.provider in try_text(category, SECRET).versions[0].problem
    assert remote_providers(category) == []


def test_a_threshold_that_makes_no_sense_is_none(category: Category) -> None:
    version = make_version(category)
    for threshold in (7, -1, "x", True):
        card = {"metrics": {"threshold": threshold}}
        CategoryVersion.objects.filter(pk=version.pk).update(card=card)
        assert try_text(category, SECRET).versions[0].threshold is None


def test_the_newest_versions_and_the_active_one(category: Category) -> None:
    found = [make_version(category) for _ in range(VERSIONS + 2)]
    build.activate(found[0], by="")
    CategoryVersion.objects.filter(pk=found[-1].pk).update(status="retired")
    category.refresh_from_db()
    asked = ready_versions(category)
    assert asked == [found[0], *reversed(found[1:-1])]
