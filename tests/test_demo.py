"""The example site as a newcomer meets it: real processes, a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import servers

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
SCAM = "Double your coins! Send 0.5 ETH to the giveaway wallet, get 1 ETH back now."
GREETING = "Thank you for the warm scones and the view from the tower."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The example project on a database of this module's own."""
    database = tmp_path_factory.mktemp("site") / "db.sqlite3"
    hidden = ("DJANGO_SETTINGS_MODULE", "CELERY_BROKER_URL")
    return {
        **{name: value for name, value in os.environ.items() if name not in hidden},
        "DATABASE_URL": f"sqlite:///{database}",
        "SECRET_KEY": "for the tests alone",
    }


def manage(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first_run(environment: dict[str, str]) -> str:
    return manage(environment, "demo", "--no-serve")


def rows(output: str) -> list[list[str]]:
    """The table's rows: message, kind, decision, category, score."""
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("────"))
    table = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        table.append(re.split(r"\s{2,}", line.strip()))
    return table


def test_the_demo_shows_the_whole_cycle(first_run: str) -> None:
    table = rows(first_run)
    assert len(table) >= 40
    assert "v1 is active. Cross-validated: precision" in first_run
    decided = {decision for _, _, decision, *_ in table}
    assert decided <= {"allow", "review", "block"}
    scams = [decision for _, kind, decision, *_ in table if kind == "scam"]
    assert all(decision != "allow" for decision in scams)
    held = {
        (kind, category)
        for _, kind, decision, category, *_ in table
        if decision != "allow"
    }
    assert held >= {
        ("hateful", "Hate"),
        ("violent", "Violence"),
        ("sexual", "Sexual"),
        ("self-harm", "SelfHarm"),
    }
    summary = re.search(r"(\d+) messages in [\d.]+ s: (.*)", first_run)
    assert summary is not None
    assert int(summary[1]) == len(table)


def test_a_second_run_works_as_well(
    environment: dict[str, str], first_run: str
) -> None:
    second = manage(environment, "demo", "--no-serve")
    assert rows(second) == rows(first_run)
    count = "from example_project.guestbook.models import Entry as E"
    printed = manage(environment, "shell", "-c", f"{count}; print(E.objects.count())")
    assert printed.split()[-1] == str(len(rows(first_run)))


def start_demo(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell's background job ignores SIGINT, and what it starts inherits that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def test_two_demos_at_once_both_work(
    environment: dict[str, str], first_run: str, tmp_path: Path
) -> None:
    fresh = {**environment, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    both = [start_demo(fresh), start_demo(fresh)]
    for output in [process.communicate(timeout=120)[0] for process in both]:
        assert rows(output) == rows(first_run)
    assert [process.returncode for process in both] == [0, 0]


def test_after_an_interrupted_build_nobody_waits_for_its_lease(
    environment: dict[str, str], tmp_path: Path
) -> None:
    fresh = {**environment, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    with start_demo(fresh) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "cross-validation" in line:
                process.send_signal(signal.SIGINT)
                break
        assert "Stopped." in process.stdout.read()
    assert "another process" not in manage(fresh, "demo", "--no-serve")


#: Saves an entry and waits, for 30 s at most, for whoever decides it.
SAVE_AND_WAIT = """
import threading
from django_contentsafety import tasks
from django_contentsafety.models import ModerationState
from example_project.guestbook.models import Entry
entry = Entry.objects.create(name="A guest", message={message!r})
states = ModerationState.objects.filter(object_key=str(entry.pk))
for _ in range(600):
    if states.exclude(decision="").exists():
        break
    threading.Event().wait(0.05)
print(tasks.wake_mode(), states.get().decision)
"""


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
    ],
)
def test_one_variable_puts_a_worker_to_work(
    environment: dict[str, str], first_run: str, broker: str, tmp_path: Path
) -> None:
    url = servers.url(broker)
    if broker == "redis":  # Away from whatever else uses this server.
        url = re.sub(r"/\d*$", "/13", url)
    environment = {**environment, "CELERY_BROKER_URL": url}
    command = [sys.executable, "-m", "celery", "-A", "example_project", "worker"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            # RabbitMQ refuses a second worker of the same name.
            [*command, "-P", "solo", "-l", "INFO", "-n", f"demo-{os.getpid()}@%h"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        script = SAVE_AND_WAIT.format(message=SCAM)
        assert manage(environment, "shell", "-c", script).split()[-2:] == [
            "celery",
            "block",
        ]
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    assert SCAM not in (tmp_path / "worker.log").read_text()


@pytest.fixture
def site(environment: dict[str, str], first_run: str, tmp_path: Path) -> Iterator[str]:
    """The served demo's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "demo.log").read_text()
            if "Starting development server" in (tmp_path / "demo.log").read_text():
                break
            threading.Event().wait(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait(30)


def photograph(page: Page, name: str) -> None:
    """Keep a picture for the documentation, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(ROOT / folder / f"{name}.png"))


@pytest.mark.browser
def test_a_visitor_sees_the_decision_at_once(site: str, page: Page) -> None:
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text))
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(site)
    for message, words in (
        (SCAM, "Your message was not published."),
        (GREETING, "Your message is published."),
    ):
        page.get_by_label("Your name").fill("A guest")
        page.get_by_label("Your message").fill(message)
        page.get_by_role("button", name="Sign the guestbook").click()
        assert page.get_by_role("status").inner_text().strip() == words
    photograph(page, "guestbook")
    page.goto(site)
    shown = page.locator("#entries").inner_text()
    assert GREETING in shown
    assert SCAM not in shown
    assert not [text for text in violations if "Content Security Policy" in text]


@pytest.mark.browser
def test_the_admin_shows_the_category_and_the_queue(site: str, page: Page) -> None:
    violations: list[str] = []
    page.on("console", lambda message: violations.append(message.text))
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(f"{site}admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{site}admin/contentsafety/category/")
    page.get_by_role("link", name="crypto-scam", exact=True).click()
    assert "F1" in page.locator("#content").inner_text()
    photograph(page, "category")
    page.goto(f"{site}admin/contentsafety/moderationstate/?decision__exact=review")
    photograph(page, "queue")
    assert not [text for text in violations if "Content Security Policy" in text]
