"""Providers by alias, what each answers, and the rules that it can't answer."""

from __future__ import annotations

import threading

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_contentsafety.decisions import Rule, decide
from django_contentsafety.engine import minilm
from django_contentsafety.engine.errors import ArtifactError
from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.exceptions import (
    BuildFailed,
    ContentSafetyError,
    InvalidProvider,
    ProtocolError,
    RateLimited,
    UnsupportedFeature,
)
from django_contentsafety.flows import build, plans
from django_contentsafety.models import Category, Policy, PolicyRule
from django_contentsafety.providers import (
    BuildRequest,
    CustomCategory,
    Provider,
    explain_unanswerable,
    providers,
    validate_alias,
)
from django_contentsafety.providers.dummy import DummyProvider
from django_contentsafety.providers.local import LocalProvider
from django_contentsafety.verdicts import CategoryScore, HarmCategory, Scale

from .engine.made_up import NEGATIVE, POSITIVE, make_samples

DUMMY = "django_contentsafety.providers.dummy.DummyProvider"
LOCAL = "django_contentsafety.providers.local.LocalProvider"
HERE = "tests.test_providers"

POSITIVE_TEXT, NEGATIVE_TEXT = " ".join(POSITIVE[:5]), " ".join(NEGATIVE[:5])


class Needy(Provider):
    """Has an option without a default."""

    def __init__(self, alias, *, endpoint, timeout=10):
        super().__init__(alias)
        self.endpoint, self.timeout = endpoint, timeout


class Broken(Provider):
    def __init__(self, alias):
        raise KeyError("BACKEND")


def reference(name="scam", version=1, provider_version="1", load=bytes):
    return CustomCategory(
        name=name, version=version, provider_version=provider_version, load=load
    )


# The handler.


def test_an_alias_gives_its_provider_with_its_options(settings):
    settings.CONTENTSAFETY_PROVIDERS = {
        "default": {"BACKEND": DUMMY},
        "mine": {"BACKEND": f"{HERE}.Needy", "OPTIONS": {"endpoint": "e"}},
    }
    assert sorted(providers) == ["default", "mine"]
    assert "mine" in providers
    assert "other" not in providers
    assert isinstance(providers["default"], DummyProvider)
    mine = providers["mine"]
    assert (mine.alias, mine.endpoint, mine.timeout) == ("mine", "e", 10)


#: Wrong settings, and what the error says besides the alias.
WRONG = {
    "no backend": ({"OPTIONS": {}}, "has no BACKEND"),
    "not a dict": (DUMMY, "has no BACKEND"),
    "backend is None": ({"BACKEND": None}, "has no BACKEND"),
    "backend is a class": ({"BACKEND": DummyProvider}, "has no BACKEND"),
    "no such module": ({"BACKEND": "no.such.Thing"}, "no.such.Thing can't be imported"),
    "no such class": ({"BACKEND": f"{HERE}.Nothing"}, "can't be imported"),
    "no dot": ({"BACKEND": "Dummy"}, "can't be imported"),
    "not a class": ({"BACKEND": f"{HERE}.HERE"}, "is no provider"),
    "another class": ({"BACKEND": "collections.OrderedDict"}, "is no provider"),
    "unknown option": (
        {"BACKEND": LOCAL, "OPTIONS": {"seeed": 1}},
        "unexpected keyword argument 'seeed'",
    ),
    "the alias as an option": (
        {"BACKEND": LOCAL, "OPTIONS": {"alias": "x"}},
        "multiple values for argument 'alias'",
    ),
    "an option lacks": (
        {"BACKEND": f"{HERE}.Needy"},
        "argument: 'endpoint'",
    ),
    "options are no dict": ({"BACKEND": LOCAL, "OPTIONS": ["seed"]}, "OPTIONS"),
    "seed is no number": ({"BACKEND": LOCAL, "OPTIONS": {"seed": "x"}}, "seed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_refused_by_alias(case, settings):
    entry, message = WRONG[case]
    settings.CONTENTSAFETY_PROVIDERS = {"mine": entry, "default": {"BACKEND": DUMMY}}
    with pytest.raises(InvalidProvider) as caught:
        providers["mine"]
    assert "'mine'" in str(caught.value)
    assert message in str(caught.value)
    # The others still work.
    assert isinstance(providers["default"], DummyProvider)


def test_an_option_without_a_value_is_none(settings):
    settings.CONTENTSAFETY_PROVIDERS = {"mine": {"BACKEND": LOCAL, "OPTIONS": None}}
    assert providers["mine"].seed == 0


def test_a_providers_own_error_is_not_taken_for_a_missing_backend(settings):
    settings.CONTENTSAFETY_PROVIDERS = {"mine": {"BACKEND": f"{HERE}.Broken"}}
    with pytest.raises(KeyError):
        providers["mine"]


def test_an_unknown_alias_is_refused():
    with pytest.raises(InvalidProvider, match="no provider 'nope'"):
        providers["nope"]


@pytest.mark.parametrize("value", [None, [], "dummy://", 7])
def test_the_setting_itself_must_be_a_dict(value, settings):
    settings.CONTENTSAFETY_PROVIDERS = value
    with pytest.raises(InvalidProvider, match="must be a dict"):
        providers["default"]


def test_a_wrong_setting_is_no_error_of_ours():
    # Who fails open on a ContentSafetyError must not hide a wrong key.
    assert issubclass(InvalidProvider, ImproperlyConfigured)
    assert not issubclass(InvalidProvider, ContentSafetyError)


def test_an_error_repeats_no_option(settings):
    secret = {"endpoint": "e", "key": "s3cr3t"}
    settings.CONTENTSAFETY_PROVIDERS = {
        "mine": {"BACKEND": f"{HERE}.Needy", "OPTIONS": secret}
    }
    with pytest.raises(InvalidProvider) as caught:
        providers["mine"]
    assert "s3cr3t" not in repr(caught.value) + repr(caught.value.__cause__)


def test_an_override_takes_effect_and_reverts():
    before = providers["default"]
    assert providers["default"] is before
    with override_settings(CONTENTSAFETY_PROVIDERS={"default": {"BACKEND": LOCAL}}):
        assert isinstance(providers["default"], LocalProvider)
        assert sorted(providers) == ["default"]
    after = providers["default"]
    assert isinstance(after, DummyProvider)
    assert after is not before
    with override_settings(CONTENTSAFETY_WAKE="celery"):
        assert providers["default"] is after


def test_each_thread_has_its_own():
    mine = [providers["default"], providers["default"]]
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(providers["default"]))
    thread.start()
    thread.join()
    assert mine[0] is mine[1]
    assert isinstance(theirs[0], DummyProvider)
    assert theirs[0] is not mine[0]


def test_an_option_from_a_url_is_a_number():
    assert LocalProvider("local", seed="7").seed == 7


# The base class: each feature that a provider lacks is refused.


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("analyze", [["x"], ["Hate"]]),
        ("register", [None]),
        ("submit", [None, "1"]),
        ("poll", [None, "1", None]),
    ],
)
def test_what_a_provider_lacks_is_refused_by_name(method, arguments):
    with pytest.raises(UnsupportedFeature, match="Provider can't") as caught:
        getattr(Provider("mine"), method)(*arguments)
    assert (caught.value.alias, caught.value.code) == ("mine", "config")
    assert not caught.value.retryable


def test_the_base_class_promises_nothing():
    provider = Provider("mine")
    assert provider.cost(["x"], ["Hate"]) == {}
    assert provider.check() == []
    assert not (provider.can_build or provider.in_process)
    assert not (provider.harm_categories or provider.custom_scales)


def test_a_reference_shows_no_artifact_and_compares_without_it():
    one, other = reference(load=lambda: b"a"), reference(load=lambda: b"b")
    assert one == other
    assert hash(one) == hash(other)
    assert "load" not in repr(one)


# The dummy.


def test_the_dummy_finds_nothing_unless_told():
    (verdict,) = DummyProvider("d").analyze(["x"], ["Hate", reference(version=3)])
    assert verdict.source == "d"
    assert [score.category for score in verdict.scores] == ["Hate", "scam"]
    for score in verdict.scores:
        assert (score.score, score.severity, score.detected) == (0.0, 0, False)
    assert verdict.versions == {"scam": 3}


@pytest.mark.parametrize(
    ("value", "scale"),
    [
        (True, Scale.DETECTED),
        (False, Scale.DETECTED),
        (4, Scale.SEVERITY),
        (0, Scale.SEVERITY),
        (0.5, Scale.SCORE),
        (1.0, Scale.SCORE),
    ],
)
def test_the_type_of_a_scripted_value_is_its_scale(value, scale):
    dummy = DummyProvider("d", script=lambda text: {"Hate": value} if text else {})
    bad, good = dummy.analyze(["bad", ""], ["Hate"])
    for other in Scale:
        given = bad.scores[0].on(other)
        assert given == (float(value) if other == scale else None)
        assert good.scores[0].on(other) == 0
    assert dummy.calls == [["bad", ""]]


def test_a_script_may_fail():
    def script(text):
        raise RateLimited("Later.", retry_after=5)

    with pytest.raises(RateLimited):
        DummyProvider("d", script=script).analyze(["x"], ["Hate"])


# The embedded engine.


@pytest.fixture
def version(db):
    """Version 1 of a category that the embedded engine has built."""
    category = Category.objects.create(
        name="zug-spam", definition="Texts of zug.", provider="local"
    )
    data = write_jsonl(make_samples(25, 25))
    build.import_samples(category, data, filename="s.jsonl", by="7")
    version = build.freeze(category, by="7")
    job = build.run(build.start(version, by="7"))
    assert job.status == "succeeded", job.error_message
    version.refresh_from_db()
    build.activate(version, by="7")
    return version


def test_the_local_provider_answers_for_a_category_it_built(version):
    Policy.objects.create(slug="zug")
    rule = {"policy": Policy.objects.get(slug="zug"), "category": "zug-spam"}
    PolicyRule.objects.create(**rule, provider="local", review_at=0.5, block_at=0.95)
    (source,) = plans.load_plan("zug").sources
    positive, negative = source.answer([POSITIVE_TEXT, NEGATIVE_TEXT])
    assert positive.source == "local"
    assert positive.versions == {"zug-spam": 1}
    (score,) = positive.scores
    assert (score.category, score.detected, score.severity) == ("zug-spam", True, None)
    assert score.score > 0.5 > negative.scores[0].score
    assert negative.scores[0].detected is False
    # The spans say why: words of the text, by its own code points.
    assert {POSITIVE_TEXT[s.start : s.end] for s in positive.spans} & set(POSITIVE)
    assert {span.category for span in positive.spans} == {"zug-spam"}


def test_a_line_that_cannot_be_read_fails_the_build():
    samples = b'{"text": "a scam"}\n' * 20 + b'{"text": "' + b"a" * 1_000_000 + b'"}'
    request = BuildRequest(
        name="scam", version=1, definition="", samples=samples, operation_id="1"
    )
    with pytest.raises(BuildFailed, match="Line 2 of the frozen samples"):
        LocalProvider("local").poll(request, "1", lambda phase, fraction: None)


def test_an_artifact_is_loaded_once(version, django_assert_num_queries):
    loads = []

    def load():
        loads.append(1)
        return bytes(version.artifact)

    name = {"name": "loaded-once", "version": 1, "provider_version": "once"}
    for _ in range(3):
        verdicts = providers["local"].analyze(
            [POSITIVE_TEXT, NEGATIVE_TEXT], [reference(**name, load=load)]
        )
    assert len(verdicts) == 2
    assert loads == [1]
    # Another provider version is another artifact, under the same name and number.
    name["provider_version"] = "twice"
    providers["local"].analyze(["x"], [reference(**name, load=load)])
    assert loads == [1, 1]


def test_the_plan_reads_the_artifact_only_where_it_is_needed(version):
    policy = Policy.objects.create(slug="zug")
    PolicyRule.objects.create(
        policy=policy, provider="local", category="zug-spam", block_at=0.9
    )

    def artifacts_read():
        with CaptureQueriesContext(connection) as queries:
            (source,) = plans.load_plan("zug").sources
            source.answer([POSITIVE_TEXT])
        return sum('"artifact"' in query["sql"] for query in queries)

    # The first time only where no other test has read the same bytes.
    assert [artifacts_read() for _ in range(3)][1:] == [0, 0]


def test_two_builds_of_one_number_are_never_mixed_up(version):
    other = write_jsonl(make_samples(25, 25, seed=1))
    requests = [
        BuildRequest(
            name="n", version=1, definition="d", samples=samples, operation_id="o"
        )
        for samples in (bytes(version.samples_jsonl), other)
    ]
    one, two = (providers["local"].register(request) for request in requests)
    assert one == version.provider_version
    assert one != two


@pytest.mark.parametrize("artifact", [b"", b"nonsense", b"DJCSHEAD" + b"\x00" * 60])
def test_a_broken_artifact_is_no_answer(artifact):
    broken = reference(name=f"broken-{len(artifact)}", load=lambda: artifact)
    with pytest.raises(ProtocolError, match=f"{broken.name} v1") as caught:
        providers["local"].analyze(["x"], [broken])
    assert caught.value.alias == "local"


def test_the_local_provider_answers_harm_categories_on_three_scales():
    texts = ["Send me nude pictures, I am horny.", "The soup was warm."]
    bad, good = providers["local"].analyze(texts, [*HarmCategory.values])
    for verdict in (bad, good):
        assert [score.category for score in verdict.scores] == HarmCategory.values
        for score in verdict.scores:
            assert 0 <= score.score <= 1
            assert score.detected == (score.severity >= 4)
        assert verdict.versions == {}
    assert bad.score_for("Sexual").severity >= 4
    assert not any(score.detected for score in good.scores)
    marked = {texts[0][span.start : span.end] for span in bad.spans}
    assert "nude" in marked
    assert not good.spans


def test_harm_and_custom_categories_are_answered_together(version):
    own = reference(name="together", load=lambda: bytes(version.artifact))
    (verdict,) = providers["local"].analyze(["x"], ["Hate", own])
    hate, custom = verdict.scores
    assert hate.severity is not None
    assert custom.severity is None
    assert list(verdict.versions) == [custom.category]


def test_a_language_that_no_harm_category_knows_is_no_answer(version):
    """Neither an all-clear nor an alarm: the policy's rule asks for a review."""
    own = reference(name="abroad", load=lambda: bytes(version.artifact))
    texts = ["die neue Version ist nicht gut und auch zu teuer", "The soup was warm."]
    foreign, english = providers["local"].analyze(texts, ["Sexual", own])
    assert foreign.scores[0] == CategoryScore(category="Sexual")
    assert foreign.scores[1].score is not None
    assert foreign.raw == {"language_supported": False}
    assert not [span for span in foreign.spans if span.category == "Sexual"]
    rule = Rule(category="Sexual", provider="local", scale="severity", block_at=6)
    decision = decide([rule], {"local": foreign})
    assert decision.value == "review"
    assert [reason.kind for reason in decision.reasons] == ["unanswered"]
    assert decide([rule], {"local": english}).value == "allow"
    assert english.raw == {"language_supported": True}


def test_many_texts_are_answered_as_each_is_alone(version):
    own = reference(name="many", load=lambda: bytes(version.artifact))
    texts = ["x", "I will kill you with a knife. " * 1500, "", "The soup was warm."]
    asked = [*HarmCategory.values, own]
    together = providers["local"].analyze(texts, asked)
    alone = [providers["local"].analyze([text], asked)[0] for text in texts]
    assert together == alone


@pytest.fixture
def minilm_provider(settings):
    settings.CONTENTSAFETY_PROVIDERS = {
        "local": {"BACKEND": LOCAL},
        "minilm": {"BACKEND": LOCAL, "OPTIONS": {"tier": "minilm"}},
    }
    return providers["minilm"]


def test_the_minilm_tier_answers_what_it_built_and_the_harm_categories(
    minilm_provider,
):
    request = BuildRequest(
        name="zug-spam",
        version=1,
        definition="d",
        samples=write_jsonl(make_samples(25, 25)),
        operation_id="o",
    )
    state = minilm_provider.poll(request, "1", lambda phase, fraction: None)
    assert state.status == "succeeded"
    assert minilm_provider.adopt(request, state.artifact).startswith("1-")
    own = reference(name="minilm-own", load=lambda: state.artifact)
    texts = [POSITIVE_TEXT, NEGATIVE_TEXT, "Send me nude pictures, I am horny."]
    texts.append("We had warm soup and talked about the garden.")
    found = minilm_provider.analyze(texts, ["Sexual", own])
    assert [verdict.score_for("minilm-own").detected for verdict in found[:2]] == [
        True,
        False,
    ]
    assert found[2].score_for("Sexual").severity >= 4
    assert found[3].score_for("Sexual").severity < 4
    # The other tier says so, and builds nothing of it.
    with pytest.raises(ProtocolError, match="tier minilm, and this is fast"):
        providers["local"].analyze(["x"], [own])
    with pytest.raises(BuildFailed, match="tier minilm"):
        providers["local"].adopt(request, state.artifact)


def test_the_minilm_tier_without_its_model_is_no_answer(minilm_provider, monkeypatch):
    monkeypatch.setattr(minilm, "_session", None)
    monkeypatch.setattr(minilm, "DISTRIBUTION", "no-such-package-here")
    with pytest.raises(ProtocolError, match=r"\[minilm\]") as caught:
        minilm_provider.analyze(["x"], ["Hate"])
    assert caught.value.alias == "minilm"


def test_a_tier_that_there_isnt_is_refused():
    with pytest.raises(InvalidProvider, match="no tier 'large'"):
        LocalProvider("local", tier="large")


def test_the_local_provider_knows_no_harassment():
    """It is the engine's own, and stands in no answer that is shaped as Azure's."""
    assert "Harassment" not in providers["local"].harm_categories
    with pytest.raises(UnsupportedFeature, match="Harassment"):
        providers["local"].analyze(["x"], ["Harassment"])


def test_damaged_built_in_categories_are_no_answer(monkeypatch):
    def refuse(tier):
        raise ArtifactError("The built-in categories can't be read.")

    monkeypatch.setattr("django_contentsafety.engine.harm.heads", refuse)
    with pytest.raises(ProtocolError, match="built-in") as caught:
        providers["local"].analyze(["x"], ["Hate"])
    assert caught.value.alias == "local"


# Aliases and rules, refused where a person saves them.


def test_an_unknown_alias_names_the_known_ones(settings):
    validate_alias("local")
    with pytest.raises(ValidationError) as caught:
        validate_alias("nope")
    assert caught.value.messages == [
        "There is no provider “nope”: CONTENTSAFETY_PROVIDERS has default, local."
    ]
    settings.CONTENTSAFETY_PROVIDERS = {}
    with pytest.raises(ValidationError, match="has none"):
        validate_alias("default")


@pytest.mark.parametrize(
    ("alias", "category", "scale", "custom", "message"),
    [
        ("default", "Hate", "severity", False, None),
        ("default", "scam", "score", True, None),
        ("local", "scam", "score", True, None),
        ("local", "scam", "detected", True, None),
        ("nope", "Hate", "severity", False, None),
        ("local", "SelfHarm", "severity", False, None),
        (
            "bare",
            "SelfHarm",
            "severity",
            False,
            "Provider (bare) doesn't answer Self-harm.",
        ),
        (
            "local",
            "scam",
            "severity",
            True,
            "LocalProvider (local) gives no severity for scam: use detected, score.",
        ),
        ("bare", "scam", "score", True, "Provider (bare) has no custom categories."),
    ],
)
def test_why_a_rule_cannot_be_answered(
    settings, alias, category, scale, custom, message
):
    bare = {"BACKEND": "django_contentsafety.providers.base.Provider"}
    settings.CONTENTSAFETY_PROVIDERS = {
        **settings.CONTENTSAFETY_PROVIDERS,
        "bare": bare,
    }
    assert explain_unanswerable(alias, category, scale, custom=custom) == message


GOOD_RULE = {
    "provider": "default",
    "category": "Hate",
    "scale": "severity",
    "review_at": 4,
    "block_at": 6,
}

#: What is changed of the good rule, the field the error stands at, and its message.
REFUSED_RULES = {
    "unknown alias": (
        {"provider": "nope"},
        "provider",
        "There is no provider “nope”: CONTENTSAFETY_PROVIDERS has default, local.",
    ),
    "an unsupported scale": (
        {"provider": "local", "category": "zug-spam"},
        "category",
        "LocalProvider (local) gives no severity for zug-spam: use detected, score.",
    ),
    "an unknown scale": ({"scale": "stars"}, "scale", "Value 'stars' is not a valid"),
    "an unknown category": (
        {"category": "scam"},
        "category",
        "There is no category “scam”: use Hate, SelfHarm, Sexual, Violence, or create",
    ),
    "a misspelled harm category": (
        {"category": "hate"},
        "category",
        "There is no category “hate”",
    ),
    "no category": ({"category": ""}, "category", "This field cannot be blank."),
    "another provider's category": (
        {"category": "zug-spam"},
        "provider",
        "“zug-spam” is answered by the provider local.",
    ),
    "a severity above 7": (
        {"block_at": 8},
        "block_at",
        "The scale severity runs from 0 to 7.",
    ),
    "a severity below 0": (
        {"review_at": -1},
        "review_at",
        "The scale severity runs from 0 to 7.",
    ),
    "a score above 1": (
        {"scale": "score", "review_at": 0.5, "block_at": 1.01},
        "block_at",
        "The scale score runs from 0 to 1.",
    ),
    "not a number": (
        {"review_at": float("nan")},
        "review_at",
        "The scale severity runs from 0 to 7.",
    ),
    "detected is 0 or 1": (
        {"scale": "detected", "review_at": None, "block_at": 2},
        "block_at",
        "The scale detected runs from 0 to 1.",
    ),
    "review above block": (
        {"review_at": 6, "block_at": 4},
        "__all__",
        "“Review at” may not be above “block at”.",
    ),
    "no threshold": (
        {"review_at": None, "block_at": None},
        "__all__",
        "Set “review at”, “block at” or both.",
    ),
    "a second rule for the category": (
        {"category": "Violence"},
        "__all__",
        "This policy has a rule for this category.",
    ),
}


@pytest.fixture
def policy(db):
    Category.objects.create(name="zug-spam", definition="d", provider="local")
    policy = Policy.objects.create(slug="rules")
    PolicyRule.objects.create(policy=policy, **{**GOOD_RULE, "category": "Violence"})
    return policy


@pytest.mark.parametrize("case", REFUSED_RULES)
def test_a_rule_that_cannot_work_is_refused_when_it_is_saved(policy, case):
    changes, field, message = REFUSED_RULES[case]
    rule = PolicyRule(policy=policy, **{**GOOD_RULE, **changes})
    with pytest.raises(ValidationError) as caught:
        rule.save()
    assert message in " ".join(caught.value.message_dict[field])
    assert policy.rules.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"review_at": None},
        {"block_at": None},
        {"review_at": 0, "block_at": 0},
        {"review_at": 7, "block_at": 7},
        {"scale": "score", "review_at": 0.0, "block_at": 1.0},
        {"scale": "detected", "review_at": None, "block_at": 1},
        {
            "provider": "local",
            "category": "zug-spam",
            "scale": "score",
            "review_at": 0.5,
            "block_at": None,
        },
    ],
)
def test_a_rule_that_works_is_saved(policy, changes):
    rule = PolicyRule.objects.create(policy=policy, **{**GOOD_RULE, **changes})
    rule.refresh_from_db()
    assert rule.as_rule().review_at == {**GOOD_RULE, **changes}["review_at"]
    # An unchanged rule may be saved again.
    rule.save()


def test_every_harm_category_has_a_rule_in_the_default_provider(policy):
    policy.rules.all().delete()
    for harm in HarmCategory:
        PolicyRule.objects.create(policy=policy, **{**GOOD_RULE, "category": harm})
