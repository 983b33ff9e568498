"""A tick: each step by itself, one sweeper at a time, and in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections

from django_contentsafety.flows import upkeep
from django_contentsafety.flows.heartbeats import lead
from django_contentsafety.models import (
    DbNow,
    Heartbeat,
    ModerationResult,
    ModerationState,
)
from tests import servers
from tests.policies import make_policy, script, state_of
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(databases="__all__")

ROOT = Path(__file__).parent.parent


def beats() -> set[str]:
    return set(Heartbeat.objects.values_list("name", flat=True))


# --- Steps ------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch: Any, settings: Any) -> list[tuple[str, str]]:
    """Two databases, and every step of a tick replaced by one that says it ran."""
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    ran: list[tuple[str, str]] = []

    def told(name: str) -> Any:
        def step(using: str = "", *args: Any, **kwargs: Any) -> Any:
            ran.append((using, name))
            if name == "drain":
                return upkeep.DrainCounts()
            return 0 if name == "builds" else None

        return step

    monkeypatch.setattr(upkeep, "drain", told("drain"))
    monkeypatch.setattr(upkeep, "advance_builds", told("builds"))
    monkeypatch.setattr(upkeep, "STEPS", {name: told(name) for name in upkeep.STEPS})
    return ran


EACH = ["drain", *upkeep.STEPS]
ALL = {(using, name) for using in ("default", "other") for name in EACH}
ALL |= {("", "builds")}


def test_a_tick_does_all_of_it_and_says_so(ran: list[tuple[str, str]]) -> None:
    done = upkeep.tick()
    assert sorted(ran) == sorted(ALL)
    assert done.failures == []
    assert list(done.drained) == list(done.swept) == ["default", "other"]
    assert beats() == {"drain", "sweep"}


@pytest.mark.parametrize("failing", [*EACH, "builds"])
def test_a_step_that_fails_starves_no_other(
    ran: list[tuple[str, str]], monkeypatch: Any, caplog: Any, failing: str
) -> None:
    def fail(using: str = "", *args: Any, **kwargs: Any) -> None:
        raise DatabaseError("a private text")

    if failing in upkeep.STEPS:
        monkeypatch.setitem(upkeep.STEPS, failing, fail)
    else:
        name = {"drain": "drain", "builds": "advance_builds"}[failing]
        monkeypatch.setattr(upkeep, name, fail)
    done = upkeep.tick()
    assert set(ran) == {(using, name) for using, name in ALL if name != failing}
    assert len(done.failures) == (1 if failing == "builds" else 2)
    assert all(f"{failing}: DatabaseError" in words for words in done.failures)
    assert f"{failing}: DatabaseError" in caplog.text
    assert "private" not in caplog.text
    # It must not look as if all were well.
    assert beats() == ({"sweep"} if failing == "drain" else {"drain", "sweep"})
    ages = dict(Heartbeat.objects.values_list("name", "beat_at"))
    assert ages.keys() == beats()


def test_a_failing_sweep_leaves_no_heartbeat(
    ran: list[tuple[str, str]], monkeypatch: Any
) -> None:
    upkeep.tick()
    Heartbeat.objects.update(beat_at=DbNow() - timedelta(hours=1))
    monkeypatch.setitem(upkeep.STEPS, "age", lambda *args: 1 / 0)
    upkeep.tick()
    recently = Heartbeat.objects.filter(beat_at__gt=DbNow() - timedelta(minutes=1))
    assert [beat.name for beat in recently] == ["drain"]


def test_a_database_that_is_down_is_left_out_and_named(
    ran: list[tuple[str, str]], monkeypatch: Any, caplog: Any
) -> None:
    def refuse() -> None:
        raise OperationalError("password=hunter2")

    monkeypatch.setattr(connections["other"], "ensure_connection", refuse)
    done = upkeep.tick()
    assert set(ran) == {pair for pair in ALL if pair[0] != "other"}
    assert done.failures == ["other: can't be opened: OperationalError"]
    assert "hunter2" not in caplog.text
    # The sweep did what it could.
    assert beats() == {"drain", "sweep"}


def test_without_a_sweep_texts_and_builds_go_on(ran: list[tuple[str, str]]) -> None:
    upkeep.tick(sweeping=False, aliases=["other"])
    assert ran == [("other", "drain"), ("", "builds")]
    assert beats() == set()


# --- One sweeper ------------------------------------------------------------------


def test_one_leads_at_a_time() -> None:
    with lead("sweep") as first, lead("sweep") as second, lead("other") as other:
        assert (first, second, other) == (True, False, True)
    with lead("sweep") as third:
        assert third


def test_a_lease_that_ran_out_is_anybodys() -> None:
    with lead("sweep"):
        Heartbeat.objects.update(lease_until=DbNow() - timedelta(seconds=1))
        with lead("sweep") as second:
            assert second
            # The first one's end doesn't take it from the second.
        with lead("sweep") as third:
            assert third


def test_ending_late_frees_no_others_lease() -> None:
    first = lead("sweep")
    first.__enter__()
    Heartbeat.objects.update(lease_until=DbNow() - timedelta(seconds=1))
    with lead("sweep") as second:
        first.__exit__(None, None, None)
        with lead("sweep") as third:
            assert (second, third) == (True, False)


def test_who_does_not_lead_still_drains(ran: list[tuple[str, str]]) -> None:
    with lead("sweep"):
        done = upkeep.tick()
    assert ran == [("default", "drain"), ("other", "drain")]
    assert done.swept == {}
    assert done.failures == []


def test_where_the_lease_cannot_be_read_everybody_leads(monkeypatch: Any) -> None:
    def refuse(*args: Any) -> bool:
        raise OperationalError

    monkeypatch.setattr("django_contentsafety.flows.heartbeats._take", refuse)
    with lead("sweep") as leading:
        assert leading


# --- Commands ---------------------------------------------------------------------


def run(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def test_sweeping_once_says_nothing_where_all_is_well(
    using: str, settings: Any
) -> None:
    settings.CONTENTSAFETY_DATABASES = [using]
    script()
    make_policy()
    waiting = Comment.objects.using(using).create(body="bad")
    old = Comment.objects.using(using).create(body="fine")
    ModerationState.objects.using(using).filter(pk=state_of(old).pk).update(
        attempts=1,
        available_at=DbNow() + timedelta(hours=1),
        first_pending_at=DbNow() - timedelta(hours=73),
    )
    assert run("contentsafety_sweep", "--once") == ("", "")
    assert state_of(waiting).decision == "block"
    assert state_of(old).exhausted_reason == "max_age"


@pytest.mark.parametrize("words", [["sweep", "--once"], ["drain"]])
def test_a_failing_step_is_an_exit_code(
    ran: list[tuple[str, str]], monkeypatch: Any, words: list[str]
) -> None:
    monkeypatch.setitem(upkeep.STEPS, "age", lambda *args: 1 / 0)
    with pytest.raises(CommandError, match="default: age: ZeroDivisionError"):
        run(f"contentsafety_{words[0]}", *words[1:])


def test_the_worker_ends_after_its_seconds(ran: list[tuple[str, str]]) -> None:
    out, err = run("contentsafety_worker", "--seconds", "0.01")
    assert (out.split()[0], out.split()[-1], err) == ("Moderating.", "Stopped.", "")
    assert set(ran) == ALL


def test_the_worker_leaves_a_failing_database_to_the_next_sweep(
    ran: list[tuple[str, str]], monkeypatch: Any
) -> None:
    drained: list[str] = []

    def drain(using: str, **kwargs: Any) -> Any:
        drained.append(using)
        if using == "other":
            raise OperationalError("password=hunter2")
        return upkeep.DrainCounts(claimed=1)

    monkeypatch.setattr(upkeep, "drain", drain)
    _, err = run("contentsafety_worker", "--seconds", "0.2")
    assert drained.count("other") == 1 < drained.count("default")
    (line,) = err.splitlines()
    assert line.startswith("other: drain: OperationalError at test_upkeep.py")


# --- Processes --------------------------------------------------------------------


@pytest.fixture
def housekeeper(process_environment: dict[str, str]) -> Any:
    """Start a command in a process of its own; killed, if it must be, at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, aliases: list[str], pause: float = 0) -> Any:
        environment = {"TEST_ALIASES": ",".join(aliases), "TEST_PAUSE": str(pause)}
        process = subprocess.Popen(
            [sys.executable, "-u", "-W", "error", "-m", "tests.housekeeper", *words],
            env={**process_environment, **environment},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition: Any, process: Any) -> None:
    """Bounded; where the process has ended, its words are the failure's."""
    tick = threading.Event()
    for _ in range(1200):
        if condition():
            return
        if process.poll() is not None:
            pytest.fail(process.communicate()[0])
        tick.wait(0.05)
    pytest.fail("It took too long.")


def end(process: Any) -> str:
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    return said


ALIASES = ["default", "other", *(n for n in servers.DATABASES if servers.answers(n))]


def undecided(using: str) -> int:
    return ModerationState.objects.using(using).filter(decision="").count()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_worker_killed_in_the_middle_loses_nothing(housekeeper: Any) -> None:
    make_policy()
    bodies = [f"{'bad' if n % 3 == 0 else 'fine'} {n}" for n in range(40)]
    for using in ALIASES:
        for body in bodies:
            Comment.objects.using(using).create(body=body)
    total = len(bodies) * len(ALIASES)
    first = housekeeper("contentsafety_worker", aliases=ALIASES, pause=0.02)
    # It asks about fifty texts at once, and then completes them one by one.
    wait_until(lambda: any(undecided(using) < len(bodies) for using in ALIASES), first)
    first.kill()
    first.wait(60)
    left = {using: undecided(using) for using in ALIASES}
    assert 0 < sum(left.values()) < total
    for using in ALIASES:
        leased = ModerationState.objects.using(using).filter(state="leased")
        leased.update(lease_until=DbNow() - timedelta(seconds=1))
    Heartbeat.objects.update(lease_until=None)
    second = housekeeper("contentsafety_worker", aliases=ALIASES)
    wait_until(lambda: not any(undecided(using) for using in ALIASES), second)
    assert end(second).splitlines()[-1] == "Stopped."
    for using in ALIASES:
        for comment in Comment.objects.using(using):
            expected = "block" if "bad" in comment.body else "allow"
            assert state_of(comment).decision == expected
        results = ModerationResult.objects.using(using).values_list("state_id")
        assert len(results) == len(set(results)) == len(bodies)
    assert {"drain", "sweep"} <= beats()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_sweep_goes_on_until_it_is_told_to_end(housekeeper: Any) -> None:
    make_policy()
    obj = Comment.objects.create(body="bad")
    process = housekeeper("contentsafety_sweep", aliases=["default"])
    wait_until(lambda: "sweep" in beats() and undecided("default") == 0, process)
    assert process.poll() is None
    assert end(process) == ""
    assert state_of(obj).decision == "block"
