"""A served site with a worker, and somebody in front of it who has no mouse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.person import Person

ROOT = Path(__file__).parents[2]
#: Seconds until the site has to answer.
PATIENCE = 60


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The example site on a database of this module's own, with its demo in it."""
    database = tmp_path_factory.mktemp("site") / "db.sqlite3"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "SECRET_KEY": "for the tests alone",
    }
    environment.pop("CELERY_BROKER_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        cwd=ROOT,
        # The demo waits for decisions: they fall in its own process.
        env={**environment, "DJANGO_SETTINGS_MODULE": "example_project.settings"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return environment


@pytest.fixture(scope="module")
def worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Whoever builds what the pages ask for."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with _running(["contentsafety_worker"], environment, log):
        yield


@pytest.fixture(scope="module")
def site(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Its address, without the last slash."""
    log = tmp_path_factory.mktemp("server") / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _running(["runserver", "--noreload", str(port)], environment, log):
        for _ in range(PATIENCE * 10):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            threading.Event().wait(0.1)
        yield f"http://127.0.0.1:{port}"
        assert "Internal Server Error" not in log.read_text()


class _running:
    """A process of the site's, and its log."""

    def __init__(
        self, words: list[str], environment: dict[str, str], log: Path
    ) -> None:
        self.words, self.environment, self.log = words, environment, log

    def __enter__(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self.words],
                cwd=ROOT,
                env={**self.environment, "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __exit__(self, *exc_info: object) -> None:
        ended = self.process.poll()
        self.process.terminate()
        self.process.wait(30)
        assert ended is None, self.log.read_text()[-3000:]


@pytest.fixture
def person(page: Page, site: str) -> Iterator[Person]:
    """Somebody who is logged in, and whose browser notes what the policy forbids."""
    from tests.browser.person import Person

    person = Person(page, site)
    person.log_in("admin", "admin")
    yield person
    assert person.violations == []
