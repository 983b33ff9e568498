"""Waking: inline by default, Celery where there is a broker, never in a save's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connections, transaction

from django_contentsafety import tasks
from django_contentsafety.exceptions import TaskFailed
from django_contentsafety.flows import build, moderate, removing, upkeep
from django_contentsafety.models import BuildJob, Heartbeat, ModerationState, Policy
from tests import black_holes, servers
from tests.building import freeze
from tests.policies import make_policy, script, state_of
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    script()
    return make_policy()


@pytest.fixture(autouse=True)
def fresh_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_paused_until", 0.0)
    monkeypatch.setattr(tasks, "_sent_at", {})
    monkeypatch.setattr(tasks, "_sending", None)


@pytest.fixture
def conf() -> Iterator[Any]:
    """The Celery app's configuration, put back afterwards."""
    names = ("broker_url", "broker_write_url", "task_always_eager")
    names += ("task_default_queue",)
    before = {name: getattr(current_app.conf, name) for name in names}
    yield current_app.conf
    current_app.conf.update(before)


# --- Which way --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "broker", "eager", "mode"),
    [
        (None, None, False, "inline"),
        (None, "redis://127.0.0.1/0", False, "celery"),
        (None, "redis://127.0.0.1/0", True, "inline"),
        ("none", "redis://127.0.0.1/0", False, "none"),
        ("inline", "redis://127.0.0.1/0", False, "inline"),
        ("celery", None, False, "celery"),
    ],
)
def test_the_wake_follows_the_host(
    settings: Any, conf: Any, setting: Any, broker: Any, eager: bool, mode: str
) -> None:
    settings.CONTENTSAFETY_WAKE = setting
    conf.update(broker_url=broker, broker_write_url=None, task_always_eager=eager)
    assert tasks.wake_mode() == mode


# --- Inline -----------------------------------------------------------------------


@pytest.fixture
def inline(settings: Any) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"


def test_a_save_in_autocommit_is_decided_when_it_returns(
    using: str, inline: None
) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    assert state_of(obj).decision == "block"


def test_a_transaction_s_texts_are_decided_when_it_has_committed(
    using: str, inline: None
) -> None:
    with transaction.atomic(using):
        obj = Comment.objects.using(using).create(body="bad")
        assert state_of(obj).decision == ""
    assert state_of(obj).decision == "block"


def test_inline_ms_bounds_the_whole_transaction(using: str, inline: None) -> None:
    """A slow provider takes the budget once, not once a text; the rest waits."""
    Policy.objects.update(inline_ms=40)
    calls: list[int] = []

    def slow(text: str) -> dict[str, int]:
        calls.append(1)
        threading.Event().wait(0.02)
        return {}

    script(slow)
    with transaction.atomic(using):
        for _ in range(50):
            Comment.objects.using(using).create(body="fine")
    # The clock is looked at after each batch of five.
    assert 5 <= len(calls) <= 10
    waiting = ModerationState.objects.using(using).filter(state="pending").count()
    assert waiting == 50 - len(calls)


def test_zero_inline_ms_leaves_it_to_others(using: str, inline: None) -> None:
    Policy.objects.update(inline_ms=0)
    obj = Comment.objects.using(using).create(body="bad")
    assert state_of(obj).state == "pending"


def test_a_broken_provider_never_fails_a_save(
    using: str, inline: None, caplog: Any
) -> None:
    def explode(text: str) -> dict[str, int]:
        raise RuntimeError(f"could not read {text}")

    script(explode)
    obj = Comment.objects.using(using).create(body="a private text")
    assert state_of(obj).state == "pending"
    assert "private" not in caplog.text


def test_a_broken_drain_never_fails_a_save(
    using: str, inline: None, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(tasks, "drain", lambda *a, **k: 1 / 0)
    obj = Comment.objects.using(using).create(body="bad")
    assert state_of(obj).state == "pending"
    assert "ZeroDivisionError" in caplog.text


def test_a_save_inside_a_drain_does_not_drain(using: str, inline: None) -> None:
    Policy.objects.update(inline_ms=60_000)  # Not about time.
    depth: list[bool] = []

    def save_another(text: str) -> dict[str, int]:
        depth.append(tasks._draining.get())
        if len(depth) == 1:
            Comment.objects.using(using).create(body="fine")
            assert len(depth) == 1
        return {}

    script(save_another)
    Comment.objects.using(using).create(body="fine")
    assert depth == [True, True]  # The second by the same drain, afterwards.


def test_another_app_s_failing_callback_leaves_the_row_waiting(
    using: str, inline: None
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using):
        transaction.on_commit(lambda: 1 / 0, using=using)
        obj = Comment.objects.using(using).create(body="bad")
    assert state_of(obj).state == "pending"
    tasks.drain_inline(using)
    assert state_of(obj).decision == "block"


def test_a_locked_sqlite_costs_no_more_than_the_budget(inline: None) -> None:
    Policy.objects.update(inline_ms=50)
    obj = Comment.objects.create(body="fine")
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Comment.objects.filter(pk=obj.pk).update(views=1)
            locked.set()
            release.wait(10)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait(10)
    started = time.monotonic()
    tasks.wake("default", [])
    waited = time.monotonic() - started
    release.set()
    thread.join()
    # The connection's own timeout is 20 s.
    assert waited < 5
    with connections["default"].cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone()[0] == 20_000


# --- Celery -----------------------------------------------------------------------


@pytest.fixture
def celery(settings: Any) -> None:
    settings.CONTENTSAFETY_WAKE = "celery"


@pytest.fixture
def no_broker(celery: None, conf: Any) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    conf.update(broker_url=nowhere, broker_write_url=nowhere)


def test_a_dead_broker_fails_no_save_and_is_left_alone(
    using: str, no_broker: None, caplog: Any
) -> None:
    ran: list[int] = []
    for _ in range(5):
        with transaction.atomic(using):
            Comment.objects.using(using).create(body="bad")
            transaction.on_commit(lambda: ran.append(1), using=using)
    assert len(ran) == 5
    # One try; then nobody tries for five seconds.
    assert caplog.text.count("Waking failed") == 1


@pytest.mark.parametrize("scheme", ["redis://", "amqp://guest:guest@"])
@pytest.mark.parametrize("hole", black_holes.KINDS)
def test_a_black_holed_broker_holds_one_save_for_half_a_second(
    celery: None, conf: Any, caplog: Any, scheme: str, hole: str
) -> None:
    ran: list[int] = []
    with black_holes.open_one(hole) as port:
        url = f"{scheme}127.0.0.1:{port}//"
        conf.update(broker_url=url, broker_write_url=url)
        started = time.monotonic()
        for _ in range(20):
            with transaction.atomic():
                Comment.objects.create(body="bad")
                transaction.on_commit(lambda: ran.append(1))
        took = time.monotonic() - started
    assert len(ran) == 20
    assert caplog.text.count("Waking failed") == 1
    # Unbounded it is at least 4 s a save, Celery's own patience with a connection.
    assert took < 4


def test_a_hanging_send_is_the_only_one(celery: None, conf: Any) -> None:
    with black_holes.open_one("drip") as port:
        conf.update(broker_write_url=f"redis://127.0.0.1:{port}/0")
        tasks.wake("default", [1])
        hanging = tasks._sending
        assert hanging is not None
        assert hanging.is_alive()
        tasks._paused_until = -inf
        tasks.wake("other", [1])
        assert tasks._sending is hanging
        # As soon as it has ended, others are sent.
    hanging.join(10)
    assert not hanging.is_alive()
    tasks.wake("other", [1])
    assert tasks._sending is not hanging


def test_wakes_coalesce(using: str, celery: None, monkeypatch: Any) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(
        current_app.tasks["contentsafety.drain"],
        "apply_async",
        lambda args, **k: sent.append(args),
    )
    monkeypatch.setattr(tasks, "COALESCE_SECONDS", 1000.0)
    for _ in range(5):
        Comment.objects.using(using).create(body="fine")
    ((alias, hints),) = sent
    assert alias == using
    assert all(isinstance(hint, int) for hint in hints)


def test_a_message_names_keys_and_nothing_else(using: str) -> None:
    """Whatever the host's result back-end or error reporter keeps of it."""
    assert tasks.drain_task.ignore_result
    names = {
        "contentsafety.drain",
        "contentsafety.sweep",
        "contentsafety.advance_build",
        "contentsafety.advance_removal",
    }
    assert names <= set(current_app.tasks)


def test_a_database_in_trouble_does_not_stop_the_others(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was never migrated, say."""
    settings.CONTENTSAFETY_DATABASES = ["other", "default"]
    obj = Comment.objects.create(body="bad")
    drain = upkeep.drain

    def fail_on_other(using: str, **options: Any) -> Any:
        if using == "other":
            raise ProgrammingError
        return drain(using, **options)

    monkeypatch.setattr(upkeep, "drain", fail_on_other)
    tasks.sweep_task()
    assert state_of(obj).decision == "block"


def test_the_tasks_are_idempotent(using: str) -> None:
    obj = Comment.objects.using(using).create(body="bad")
    for _ in range(2):
        tasks.drain_task(using)
        tasks.sweep_task()
    assert state_of(obj).decision == "block"
    assert {"drain", "sweep"} <= set(Heartbeat.objects.values_list("name", flat=True))


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
    ]
)
def worker(
    request: Any,
    celery: None,
    process_environment: dict[str, str],
    conf: Any,
    tmp_path: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process on a real broker, on a queue of this test's own."""
    queue = f"contentsafety-{os.getpid()}-{request.param}"
    url = servers.url(request.param)
    conf.update(broker_url=url, broker_write_url=url, task_default_queue=queue)
    command = [sys.executable, "-m", "celery", "-A", "tests.worker", "worker"]
    command += ["-Q", queue, "-P", "solo", "-l", "INFO", "--without-mingle"]
    # RabbitMQ refuses a second worker of the same name.
    command += ["-n", f"{queue}@%h"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--without-gossip"],
            env={**process_environment, "TEST_BROKER": url, "TEST_QUEUE": queue},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    process.log = tmp_path / "worker.log"
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        with current_app.connection_for_write() as connection:
            connection.default_channel.queue_delete(queue)


def wait_for_decision(obj: Any, process: subprocess.Popen[bytes]) -> str:
    """Bounded: the worker takes a few seconds to start."""
    tick = threading.Event()
    for _ in range(600):
        if decision := state_of(obj).decision:
            return decision
        if process.poll() is not None:
            pytest.fail(f"The worker ended: {process.log.read_text()[-3000:]}")
        tick.wait(0.05)
    return ""


def test_a_real_worker_moderates_what_is_saved(
    worker: subprocess.Popen[bytes],
) -> None:
    """Nothing but the save asks for it: no beat, no sweep."""
    first = Comment.objects.create(body="a bad thing")
    assert wait_for_decision(first, worker) == "block"
    with transaction.atomic():
        second = Comment.objects.create(body="fine")
    assert wait_for_decision(second, worker) == "allow"


# --- Where a build may happen -------------------------------------------------------


def wait_for_status(obj: Any, status: str, process: subprocess.Popen[bytes]) -> None:
    """Bounded: the worker takes a few seconds to start, and to import the engine."""
    tick = threading.Event()
    for _ in range(1_200):
        obj.refresh_from_db()
        if obj.status == status:
            return
        if process.poll() is not None:
            pytest.fail(f"The worker ended: {process.log.read_text()[-3000:]}")
        tick.wait(0.05)
    pytest.fail(f"It is still {obj.status}: {process.log.read_text()[-3000:]}")


def test_a_real_worker_builds_and_deletes(worker: subprocess.Popen[bytes]) -> None:
    """Nothing but the wake-up asks for it: no beat, no sweep."""
    version = freeze("local", size=25)
    job = build.start(version, by="7")
    tasks.wake_build(job.pk)
    wait_for_status(job, "succeeded", worker)
    version.refresh_from_db()
    assert bytes(version.artifact).startswith(b"DJCSHEAD")
    removing.delete(version, by="7")
    tasks.wake_removal(version.pk)
    wait_for_status(version, "deleted", worker)


def test_without_a_worker_a_build_happens_where_it_is_asked_for(settings: Any) -> None:
    settings.CONTENTSAFETY_WAKE = "inline"
    job = build.start(freeze("local", size=25), by="7")
    tasks.wake_build(job.pk)
    job.refresh_from_db()
    assert (job.status, job.progress) == ("succeeded", 100)


def test_a_worker_without_a_broker_builds_between_two_sweeps(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked for it should not wait for half a minute."""
    asked: list[BuildJob] = []
    tick = upkeep.tick

    def ask_after_the_sweep(**options: Any) -> Any:
        done = tick(**options)
        if options["sweeping"]:
            assert not asked
            asked.append(build.start(freeze("local", size=25), by="7"))
        return done

    monkeypatch.setattr(
        "django_contentsafety.management.commands.contentsafety_worker.tick",
        ask_after_the_sweep,
    )
    call_command("contentsafety_worker", seconds=1.0, stdout=StringIO())
    (job,) = asked
    job.refresh_from_db()
    assert job.status == "succeeded"


# --- What a failed task tells -----------------------------------------------------


def test_a_drain_that_fails_takes_no_text_along(
    using: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Celery, its result back-end and error reporters keep a task's exception, some
    with the locals of all its frames."""

    def cut_off(cases: Any, plans: Any, **options: Any) -> None:
        text = cases[0].document.text
        raise OperationalError(f"connection lost over {text}")

    Comment.objects.using(using).create(body="CANARY")
    monkeypatch.setattr(moderate, "ask", cut_off)
    with pytest.raises(TaskFailed) as caught:
        tasks.drain_task(using)
    told = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    words = "".join(told.format()) + caplog.text
    assert "OperationalError at test_tasks.py" in words
    assert "CANARY" not in words
