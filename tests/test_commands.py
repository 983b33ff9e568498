"""The commands, as a person types them."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_contentsafety.flows import build
from django_contentsafety.models import (
    Category,
    Heartbeat,
    LogEntry,
    ModerationState,
    Policy,
)
from django_contentsafety.providers import providers
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(databases="__all__")


def run(*words):
    out = StringIO()
    call_command(*words, stdout=out, no_color=True)
    return out.getvalue()


def policy(*words):
    return run("contentsafety_policy", *words)


def rules(slug="mine"):
    return [
        (rule.provider, rule.category, rule.scale, rule.review_at, rule.block_at)
        for rule in Policy.objects.get(slug=slug).rules.all()
    ]


def events(slug="mine"):
    entries = LogEntry.objects.filter(subject=slug).order_by("pk")
    return list(entries.values_list("event", "from_value", "to_value"))


# contentsafety_policy.


def test_a_new_policy_begins_in_shadow():
    shown = policy("mine", "--rule", "Hate:severity:4:6")
    assert shown.splitlines() == [
        "mine: shadow: analyzes and stores, hides nothing",
        "  default/Hate by severity: review at 4, block at 6",
        "  would have hidden 0 of 0",
    ]
    created = Policy.objects.get(slug="mine")
    assert (created.mode, created.version) == ("shadow", 2)
    assert events() == [("policy_changed", "", "")]


def test_showing_changes_nothing():
    policy("mine", "--rule", "Hate:severity:4:6")
    before = (Policy.objects.values().get(slug="mine"), events(), rules())
    assert policy("mine").startswith("mine: shadow")
    assert (Policy.objects.values().get(slug="mine"), events(), rules()) == before


@pytest.mark.parametrize(
    ("word", "expected", "shown"),
    [
        (
            "Hate:severity:4:6",
            ("default", "Hate", "severity", 4, 6),
            "default/Hate by severity: review at 4, block at 6",
        ),
        (
            "Hate:score:0.5:",
            ("default", "Hate", "score", 0.5, None),
            "default/Hate by score: review at 0.5, block at never",
        ),
        (
            "Hate:detected::1",
            ("default", "Hate", "detected", None, 1),
            "default/Hate by detected: review at never, block at 1",
        ),
        (
            "local/scam:score:.5:.9",
            ("local", "scam", "score", 0.5, 0.9),
            "local/scam by score: review at 0.5, block at 0.9",
        ),
    ],
)
def test_a_rule_in_a_word(word, expected, shown):
    Category.objects.create(name="scam", definition="d", provider="local")
    assert f"  {shown}\n" in policy("mine", "--rule", word)
    assert rules() == [expected]


def test_a_rule_is_set_again_and_others_stay():
    policy("mine", "--rule", "Hate:severity:4:6", "--rule", "Violence:severity:4:6")
    policy("mine", "--rule", "Hate:score:0.5:0.9")
    assert rules() == [
        ("default", "Hate", "score", 0.5, 0.9),
        ("default", "Violence", "severity", 4, 6),
    ]
    assert Policy.objects.get(slug="mine").version == 3


def test_a_rule_is_removed():
    policy("mine", "--rule", "Hate:severity:4:6", "--rule", "Violence:severity:4:6")
    assert "Hate" not in policy("mine", "--remove", "Hate")
    assert [category for _, category, *_ in rules()] == ["Violence"]
    with pytest.raises(CommandError, match="mine has no rule for Hate"):
        policy("mine", "--remove", "Hate")
    assert len(events()) == 2


def test_going_live_and_back():
    policy("mine", "--rule", "Hate:severity:4:6")
    assert policy("mine", "--live").splitlines() == [
        "mine: live: decides what is shown",
        "  default/Hate by severity: review at 4, block at 6",
    ]
    assert policy("mine", "--off").startswith("mine: off")
    assert policy("mine", "--shadow").startswith("mine: shadow")
    assert events()[1:] == [
        ("policy_mode", "shadow", "live"),
        ("policy_mode", "live", "off"),
        ("policy_mode", "off", "shadow"),
    ]


def test_rules_and_mode_at_once():
    policy("mine", "--live", "--rule", "Hate:severity:4:6")
    assert Policy.objects.get(slug="mine").mode == "live"
    assert len(rules()) == 1


#: What is typed, and what it says; nothing is stored.
REFUSED = [
    (["mine", "--live"], "mine can't go live: It has no rules and no blocklists."),
    (
        ["mine", "--live", "--rule", "local/scam:score:0.5:0.9"],
        "mine can't go live: No version is active of: scam.",
    ),
    (["not a slug"], "Enter a valid “slug”"),
    (["mine", "--rule", "Hate"], "'Hate' is no rule: write CATEGORY:SCALE:"),
    (["mine", "--rule", "Hate:4:6"], "is no rule"),
    (["mine", "--rule", "Hate:severity:4:6:7"], "is no rule"),
    (["mine", "--rule", "Hate:stars:4:6"], "the scale is one of score, severity, det"),
    (["mine", "--rule", "Hate:severity:four:6"], "thresholds are numbers"),
    (["mine", "--rule", "Hate:severity::"], "Set “review at”, “block at” or both."),
    (["mine", "--rule", "Hate:severity:nan:6"], "runs from 0 to 7"),
    (["mine", "--rule", "Hate:severity:4:8"], "runs from 0 to 7"),
    (["mine", "--rule", "Hate:severity:6:4"], "may not be above"),
    (["mine", "--rule", "Haet:severity:4:6"], "There is no category “Haet”"),
    (["mine", "--rule", "nope/Hate:severity:4:6"], "There is no provider “nope”"),
    (["mine", "--rule", "local/scam:severity:4:6"], "gives no severity for scam"),
    (["mine", "--rule", "Hate:score:0.5:", "--remove", "Sexual"], "no rule for Sexual"),
    (["mine", "--live", "--shadow"], "not allowed with argument"),
    ([], "required: slug"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_cannot_be_is_refused_and_nothing_is_stored(words, message):
    Category.objects.create(name="scam", definition="d", provider="local")
    with pytest.raises(CommandError) as caught:
        policy(*words)
    assert message in str(caught.value)
    assert not Policy.objects.filter(slug="mine").exists()
    assert events() == []


def test_texts_that_waited_while_it_was_off_are_woken(settings):
    policy("comments", "--rule", "Hate:severity:4:6", "--off")
    Comment.objects.create(body="good")
    settings.CONTENTSAFETY_WAKE = "inline"
    policy("comments")
    assert decisions() == [""]
    policy("comments", "--live")
    assert decisions() == ["allow"]


def test_it_says_what_live_would_have_hidden():
    policy("comments", "--shadow")
    for key, decision in enumerate(["block", "review", "allow"]):
        ModerationState.objects.create(
            model="testapp.comment",
            object_key=str(key),
            policy="comments",
            state="done",
            decision=decision,
            decided_generation=1,
        )
    assert "would have hidden 2 of 3" in policy("comments")


# contentsafety_drain.


@pytest.fixture
def waiting():
    """Three texts in two databases, of which one is bad."""
    providers["default"].script = lambda text: {"Hate": 7} if "bad" in text else {}
    policy("comments", "--rule", "Hate:severity:4:6", "--live")
    Comment.objects.create(body="bad")
    Comment.objects.create(body="good")
    Comment.objects.using("other").create(body="good")
    yield
    providers.reset()


def decisions(using="default"):
    rows = ModerationState.objects.using(using).order_by("pk")
    return list(rows.values_list("decision", flat=True))


def test_draining_decides_what_waits(waiting, settings):
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    assert run("contentsafety_drain").splitlines() == [
        "default: 2 decided, 0 put back, 0 for a person, 0 out of date",
        "other: 1 decided, 0 put back, 0 for a person, 0 out of date",
    ]
    assert decisions() == ["block", "allow"]
    assert decisions("other") == ["allow"]
    assert Heartbeat.objects.filter(name="drain").exists()
    assert "default: 0 decided" in run("contentsafety_drain")


def test_one_database_alone(waiting, settings):
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    assert run("contentsafety_drain", "--database", "other").startswith("other: 1")
    assert decisions() == ["", ""]


def test_a_database_that_is_none_is_refused(waiting):
    with pytest.raises(CommandError, match=r"no database 'nope'.*default"):
        run("contentsafety_drain", "--database", "nope")
    assert decisions() == ["", ""]


def test_no_seconds_are_none(waiting):
    assert "default: 0 decided" in run("contentsafety_drain", "--seconds", "0")
    assert decisions() == ["", ""]
    assert "default: 2 decided" in run("contentsafety_drain", "--seconds", "30")


@pytest.mark.parametrize("command", ["contentsafety_drain", "contentsafety_worker"])
@pytest.mark.parametrize("value", ["-3", "nan", "soon"])
def test_a_duration_is_a_number_from_zero_up(command, value):
    with pytest.raises(CommandError, match=f"{value} is no number of seconds"):
        run(command, f"--seconds={value}")


def test_what_a_person_must_look_at_is_counted(waiting):
    ModerationState.objects.update(crashes=3)
    assert "0 decided, 0 put back, 2 for a person" in run("contentsafety_drain")


def test_draining_advances_builds():
    category = Category.objects.create(name="scam", definition="d")
    build.import_samples(category, b'{"text": "x"}', filename="s", by="")
    version = build.freeze(category, by="")
    build.start(version, by="")
    run("contentsafety_drain")
    version.refresh_from_db()
    assert version.status == "ready"


def test_the_commands_explain_themselves(capsys):
    for name, word in (("policy", "--rule"), ("drain", "--seconds")):
        with pytest.raises(SystemExit):
            call_command(f"contentsafety_{name}", "--help")
        assert word in capsys.readouterr().out
