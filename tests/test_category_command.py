"""contentsafety_category: a category's whole life, as a person types it."""

from __future__ import annotations

import argparse
import io
import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)

from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.flows import advancing, build
from django_contentsafety.management.category import building
from django_contentsafety.models import (
    BuildJob,
    Category,
    CategoryVersion,
    LogEntry,
    Sample,
)
from django_contentsafety.providers import BuildState, providers
from tests.engine.made_up import make_samples

pytestmark = pytest.mark.django_db(databases="__all__")


class Screen(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def run(*words: Any, err: Any = None) -> str:
    out = io.StringIO()
    call_command(
        "contentsafety_category",
        *map(str, words),
        stdout=out,
        stderr=err or io.StringIO(),
        no_color=True,
    )
    return out.getvalue()


def report(*words: Any) -> Any:
    return json.loads(run(*words, "--json"))


def refused(*words: Any) -> str:
    with pytest.raises(CommandError) as error:
        run(*words)
    return str(error.value)


@pytest.fixture
def by(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(write_jsonl(make_samples(25, 25)))
    return path


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    path = tmp_path / "unseen.jsonl"
    path.write_bytes(write_jsonl(make_samples(30, 30, seed=9)))
    return path


@pytest.fixture
def scam(samples: Path) -> Category:
    """A category with samples."""
    run("create", "scam", "--definition", "Lures.", "--provider", "local")
    run("import", samples, "--into", "scam")
    return Category.objects.get()


@pytest.fixture
def ready(scam: Category) -> Category:
    """With version 1, built."""
    run("freeze", "scam")
    run("build", "scam")
    return scam


def test_the_whole_life(samples: Path, unseen: Path, tmp_path: Path, by: User) -> None:
    who = ("--by", "ada")
    assert "no categories yet" in run("list")
    defined = "--definition", "Lures.", "--provider", "local"
    assert "scam is defined" in run("create", "scam", *defined, *who)
    assert "50 added, 0 there already" in run("import", samples, "--into", "scam", *who)
    assert "scam v1 is frozen: 25 positive" in run("freeze", "scam", *who)
    assert "scam v1 is built" in run("build", "scam", *who)
    card = run("card", "scam")
    assert "precision         ████" in card
    assert "! 25 positives: the interval is wide." in card
    assert "scam v1 answers" in run("activate", "scam", *who)
    run("freeze", "scam", *who)
    run("build", "scam", *who)
    assert report("activate", "scam", *who)["before"] == 1
    assert report("rollback", "scam", *who)["version"] == 1
    assert report("status", "scam")["active"] == 1
    shown = run("evaluate", "scam", "--samples", unseen, "--fail-under", "0.8")
    assert "on 30 positive and 30 negative samples (samples)" in shown
    bundle = tmp_path / "scam.zip"
    run("export", "scam", bundle, *who)
    shown = run("import", bundle, "--name", "moved", *who)
    assert "v1 was active there; none is here yet." in shown
    assert [row["name"] for row in report("list")["categories"]] == ["moved", "scam"]
    entries = LogEntry.objects.filter(subject__in=["scam", "moved"]).order_by("pk")
    assert {entry.actor_key for entry in entries} == {str(by.pk)}
    assert [entry.event for entry in entries] == [
        *("category_created", "samples_imported"),
        *("frozen", "build_asked", "built", "activated"),
        *("frozen", "build_asked", "built", "activated", "activated"),
        *("exported", "bundle_imported"),
    ]


#: Each step → (what is typed, the keys of its document).
VERSION = {"name", "version", "status", "positives", "negatives"}
STEPS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "list": ((), {"categories"}),
    "status": (
        ("scam",),
        {
            *("name", "definition", "provider", "active", "positives", "negatives"),
            *("versions", "build"),
        },
    ),
    "card": (("scam",), {"name", "version", "card"}),
    "create": (("new", "--definition", "x"), {"name", "provider"}),
    "import": (
        ("{samples}", "--into", "scam"),
        {"name", "stored", "added", "known", "skipped"},
    ),
    "export": (("scam", "{out}"), {"name", "file", "bytes", "sha256"}),
    "freeze": (("scam",), VERSION),
    "build": (
        ("scam",),
        {
            *VERSION,
            *("build", "progress", "polls", "error"),
            *("withheld", "analyzed", "card_error"),
        },
    ),
    "compare": ((), {"providers"}),
    "activate": (("scam",), VERSION | {"before"}),
    "rollback": (("scam", "--version", "1"), VERSION | {"before"}),
    "retire": (("scam", "--version", "1"), VERSION),
    "delete": (("scam", "--version", "1"), VERSION),
    "evaluate": (
        ("scam",),
        {
            *("name", "version", "source", "threshold", "positives", "negatives"),
            *("seen_in_training", "metrics", "metric", "value", "fail_under"),
            "passed",
        },
    ),
}


#: Steps for remote providers: test_adopting and test_measuring have their cases.
ELSEWHERE = ["adopt", "measure"]


def steps() -> list[str]:
    name = "contentsafety_category"
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    [choices] = [
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return sorted(choices)


def test_every_step_has_a_case() -> None:
    assert steps() == sorted([*STEPS, *ELSEWHERE])


@pytest.mark.parametrize("step", STEPS)
def test_each_answers_in_json_with_these_keys(
    step: str, ready: Category, samples: Path, tmp_path: Path
) -> None:
    words, keys = STEPS[step]
    if step == "build":
        run("freeze", "scam")
    places = {"samples": samples, "out": tmp_path / "out.zip"}
    found = report(step, *(word.format(**places) for word in words))
    assert found.keys() == keys


@pytest.mark.parametrize("step", steps())
def test_a_name_nobody_knows_offers_near_ones(step: str, samples: Path) -> None:
    for name in ("crypto-scam", "spam"):
        Category.objects.create(name=name, definition="d")
    words = {
        "list": None,
        "create": None,
        # They name a provider.
        "adopt": None,
        "compare": None,
        "import": ("import", samples, "--into", "crypto-scan"),
        "retire": ("retire", "crypto-scan", "--version", "1"),
        "delete": ("delete", "crypto-scan", "--version", "1"),
    }.get(step, (step, "crypto-scan"))
    if words is None:
        return
    assert "no category 'crypto-scan'. There is: crypto-scam." in refused(*words)


def test_a_category_is_deleted_with_all_it_has(ready: Category) -> None:
    told = report("delete", "scam", "--all", "--reason", "a mistake")
    assert told == {"name": "scam", "deleted": True, "going": 0}
    assert not Category.objects.exists()


def test_refusals_are_said_in_words(
    ready: Category, samples: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b'{"text": "a"}\n{oops\n')
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK oops")
    there = tmp_path / "there.zip"
    there.write_bytes(b"")
    for words, expected in (
        (("create", "scam", "--definition", "x"), "name: "),
        (("create", "a b", "--definition", "x"), "letters, digits"),
        (("create", "new", "--definition", "x" * 1001), "definition: .*1000"),
        (("create", "new", "--definition", "x", "--provider", "no"), "no provider"),
        (("import", bad, "--into", "scam"), "Line 2: The line is not JSON"),
        (("import", tmp_path / "none", "--into", "scam"), "can't be read: No such"),
        (("import", samples), "say --into"),
        (("import", broken), "The bundle can't be read"),
        (("import", broken, "--into", "scam"), "leave --into out"),
        (("export", "scam", there), "say --force"),
        (("export", "scam", tmp_path / "no" / "x.zip"), "can't be written"),
        (("export", "scam", tmp_path / "x", "--version", "9"), "no version 9"),
        (("card", "scam", "--version", "9"), r"no version 9. It has: v1 \(ready\)"),
        (("build", "scam"), "no version that is frozen or failed"),
        (("rollback", "scam"), "was active before"),
        (("freeze", "scam", "--by", "nobody"), "no user 'nobody'"),
        (("evaluate", "scam", "--samples", bad), "Line 2: The line is not JSON"),
    ):
        with pytest.raises(CommandError, match=f"(?s){expected}"):
            run(*words)
    assert Category.objects.count() == 1
    assert Sample.objects.count() == 50


def test_a_dry_run_stores_nothing(
    ready: Category, samples: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "b.zip"
    run("export", "scam", bundle)
    entries = LogEntry.objects.count()
    lines = tmp_path / "lines.txt"
    lines.write_text("one\ntwo\none\n")
    shown = run("import", lines, "--into", "scam", "--label", "negative", "--dry-run")
    assert "Line 3: The text already stands in line 1." in shown
    assert "Would add 0 positive, 2 negative samples" in shown
    shown = run("import", bundle, "--dry-run")
    assert "give the imported one another name" in shown
    assert (Category.objects.count(), Sample.objects.count()) == (1, 50)
    assert LogEntry.objects.count() == entries


def test_skipping_lines(scam: Category, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'{"text": "a new one"}\n{oops\n')
    done = report("import", path, "--into", "scam", "--skip")
    assert (done["added"], done["skipped"]) == (1, 1)


def test_a_bar_is_drawn_only_where_somebody_watches(scam: Category) -> None:
    run("freeze", "scam")
    screen = Screen()
    run("build", "scam", err=screen)
    drawn = screen.getvalue()
    assert "█" in drawn
    assert " 100%" in drawn or "99%" in drawn
    assert drawn.endswith("\r\x1b[K")
    run("freeze", "scam")
    quiet = io.StringIO()
    run("build", "scam", err=quiet)
    assert quiet.getvalue() == ""


def test_a_failed_build_says_why_and_exits_with_1(
    scam: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("freeze", "scam")
    monkeypatch.setattr(
        type(providers["local"]),
        "poll",
        lambda *args: BuildState(status="failed", error="Too vague."),
    )
    assert "scam v1: failed. Too vague." in refused("build", "scam")


@pytest.mark.parametrize(
    "card",
    [[], {"metrics": "x"}, {"metrics": {"f1": "x"}, "curve": [{}], "warnings": 5}],
)
def test_a_card_of_another_shape_is_no_crash(ready: Category, card: Any) -> None:
    CategoryVersion.objects.update(card=card)
    assert "v1  ready" in run("status", "scam")
    assert "no evaluation card" in refused("card", "scam")
    assert "no evaluation card" in refused("evaluate", "scam", "--threshold", "0.2")


# A build elsewhere


def test_below_the_bar_it_takes_a_reason(ready: Category, settings: Any) -> None:
    settings.CONTENTSAFETY_ACTIVATION_BAR = {"precision_low": 1.0}
    run("freeze", "scam")
    run("build", "scam")
    assert "falls short of the bar" in refused("activate", "scam")
    shown = run("activate", "scam", "--override", "The old one is worse.")
    assert "scam v2 answers" in shown
    entry = LogEntry.objects.filter(event="activated").latest("pk")
    assert entry.reason == "The old one is worse."


@pytest.fixture
def remote(scam: Category, settings: Any) -> Any:
    settings.CONTENTSAFETY_PROVIDERS = {
        **settings.CONTENTSAFETY_PROVIDERS,
        "remote": {"BACKEND": "tests.test_build.Remote"},
    }
    Category.objects.update(provider="remote")
    run("freeze", "scam")
    return providers["remote"]


def running() -> BuildState:
    return BuildState(status="running", raw_status="Running", phase="learning")


def test_a_remote_build_goes_on_without_us(remote: Any) -> None:
    remote.on_poll = running
    shown = run("build", "scam")
    assert "goes on in the background" in shown
    assert BuildJob.objects.get().status == "building"
    assert report("status", "scam")["build"]["phase"] == "learning"


def test_waiting_polls_when_it_is_due(
    remote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [running, running, lambda: BuildState(status="succeeded")]
    remote.on_poll = lambda: answers.pop(0)()
    waits: list[int] = []

    def wait(stop: Any, seconds: float) -> bool:
        """An hour goes by at every third look."""
        waits.append(len(remote.calls))
        if len(waits) % 3 == 0:
            BuildJob.objects.update(next_poll_at=advancing.DbNow() - timedelta(hours=1))
        return False

    monkeypatch.setattr(building.Stop, "wait", wait)
    screen = Screen()
    assert "is built" in run("build", "scam", "--wait", err=screen)
    assert "learning" in screen.getvalue()
    # Looked at without being asked about: the provider's pace is the row's.
    assert waits == [3, 3, 3, 4, 4, 4]


def test_ctrl_c_leaves_the_build_going_on(
    remote: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.on_poll = running
    monkeypatch.setattr(building.Stop, "wait", lambda stop, seconds: True)
    with pytest.raises(CommandError, match="goes on in the background") as error:
        run("build", "scam", "--wait")
    assert error.value.returncode == 130
    job = BuildJob.objects.get()
    assert (job.status, job.lease_token) == ("building", "")
    # Another call watches that build instead of starting a second.
    remote.on_poll = lambda: BuildState(status="succeeded")
    BuildJob.objects.update(next_poll_at=advancing.DbNow())
    assert "watching it" in run("build", "scam", "--wait")
    assert BuildJob.objects.get().status == "succeeded"


def test_ctrl_c_in_a_local_build_frees_it(
    scam: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("freeze", "scam")

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(providers["local"]), "poll", interrupt)
        assert "goes on in the background" in refused("build", "scam")
    job = BuildJob.objects.get()
    assert (job.status, job.lease_token) == ("building", "")
    assert job.pk in build.due()
    assert "is built" in run("build", "scam")


def test_a_build_that_needs_somebody_exits_with_1(remote: Any) -> None:
    def fail() -> BuildState:
        raise RuntimeError("bug")

    remote.on_poll = fail
    assert "needs attention" in refused("build", "scam", "--wait")


# evaluate


def test_evaluate_by_the_card(ready: Category) -> None:
    card = CategoryVersion.objects.get().card or {}
    found = report("evaluate", "scam")
    assert found["value"] == card["metrics"]["f1"]
    assert found["source"] == "card"
    point = card["curve"][30]
    found = report("evaluate", "scam", "--threshold", "0.3", "--metric", "recall")
    assert found["threshold"] == pytest.approx(0.3)
    assert found["metrics"]["false_positives"] == point["false_positives"]
    hits, missed = point["true_positives"], point["false_negatives"]
    assert found["value"] == pytest.approx(hits / (hits + missed))


def test_evaluate_on_samples(ready: Category, unseen: Path, tmp_path: Path) -> None:
    found = report("evaluate", "scam", "--samples", unseen)
    assert (found["source"], found["seen_in_training"]) == ("samples", 0)
    assert (found["positives"], found["negatives"]) == (30, 30)
    assert found["value"] > 0.8
    # The labels are the file's: turned round, what was right is wrong.
    turned = tmp_path / "turned.jsonl"
    turned.write_text(
        unseen.read_text()
        .replace("true", "TURN")
        .replace("false", "true")
        .replace("TURN", "false")
    )
    worse = report("evaluate", "scam", "--samples", turned)
    assert worse["value"] < 0.2
    assert worse["metrics"]["true_positives"] == found["metrics"]["false_positives"]
    # At 0 everything is flagged.
    found = report("evaluate", "scam", "--samples", unseen, "--threshold", "0")
    assert found["metrics"]["false_positives"] == 30


def test_evaluate_says_what_the_version_has_seen(
    ready: Category, samples: Path
) -> None:
    assert report("evaluate", "scam", "--samples", samples)["seen_in_training"] == 50
    assert "50 of them are among" in run("evaluate", "scam", "--samples", samples)


@pytest.mark.parametrize(("least", "fails"), [("0.5", False), ("1", True)])
def test_fail_under(ready: Category, unseen: Path, least: str, fails: bool) -> None:
    version = CategoryVersion.objects.get()
    card = version.card or {}
    card["metrics"]["f1"] = 0.75
    CategoryVersion.objects.update(card=card)
    words = ("evaluate", "scam", "--fail-under", least)
    if not fails:
        assert report(*words)["passed"]
        return
    with pytest.raises(CommandError, match=r"f1 is 0\.750, and at least 1") as error:
        run(*words)
    assert error.value.returncode == 1
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("contentsafety_category", *words, "--json", stdout=out)
    assert json.loads(out.getvalue())["passed"] is False


def test_exactly_at_the_bar_passes(ready: Category) -> None:
    card = CategoryVersion.objects.get().card or {}
    card["metrics"]["f1"] = 0.8
    CategoryVersion.objects.update(card=card)
    assert report("evaluate", "scam", "--fail-under", "0.8")["passed"]


def test_what_cannot_be_measured_is_below_every_bar(
    ready: Category, tmp_path: Path
) -> None:
    path = tmp_path / "one-sided.jsonl"
    path.write_bytes(write_jsonl(make_samples(3, 0, seed=3)))
    words = ("evaluate", "scam", "--samples", path, "--metric", "roc_auc")
    assert report(*words)["value"] is None
    assert "roc_auc is not measurable" in refused(*words, "--fail-under", "0")


def test_a_provider_that_says_yes_or_no(
    scam: Category, unseen: Path, settings: Any
) -> None:
    Category.objects.update(provider="default")
    run("freeze", "scam")
    run("build", "scam")
    dummy: Any = providers["default"]
    dummy.script = lambda text: {"scam": "zug" in text}
    try:
        found = report("evaluate", "scam", "--samples", unseen)
        assert found["threshold"] is None
        assert found["metrics"]["roc_auc"] is None
        assert found["metrics"]["recall"] is not None
        words = ("evaluate", "scam", "--samples", unseen, "--threshold", "0.5")
        assert "yes or no" in refused(*words)
        assert "no evaluation card" in refused("evaluate", "scam")
    finally:
        dummy.script = lambda text: {}


def test_control_characters_do_not_reach_the_terminal() -> None:
    Category.objects.create(name="odd", definition="a\x1b[2Jb\u202ec", provider="local")
    shown = run("status", "odd")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert report("status", "odd")["definition"] == "a\x1b[2Jb\u202ec"


@pytest.mark.django_db(transaction=True)
def test_exit_codes(process_environment: dict[str, str], ready: Category) -> None:
    def code(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "django", "contentsafety_category", *words],
            env=process_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    assert code("list") == (0, "")
    assert code("evaluate", "scam", "--fail-under", "1")[0] in (0, 1)
    assert code("card", "nobody")[0] == 1
    assert code("card")[0] == 2
    assert code("evaluate", "scam", "--fail-under", "nan")[0] == 2
    assert signal.SIGINT == building.INTERRUPTED - 128
