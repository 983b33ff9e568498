"""What every test may rely on: its server answers, its database is there.

A test that needs a server carries that server's marker. It is skipped by name
where the server doesn't answer, and fails instead where CI=true or the server's
own variable is set.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import servers

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Every alias that a test may be run on, whether or not its server answers.
DATABASE_ALIASES = ("default", "other", *servers.DATABASES)


def database_params(*aliases: str) -> list[object]:
    """Return the parameters that run a test once a database, marked as needed.

    >>> @pytest.mark.django_db(transaction=True, databases="__all__")
    ... @pytest.mark.parametrize("using", database_params())
    ... def test_claim(using): ...
    """
    return [
        pytest.param(alias, marks=getattr(pytest.mark, alias))
        if alias in servers.DATABASES
        else pytest.param(alias)
        for alias in aliases or DATABASE_ALIASES
    ]


@pytest.fixture(params=database_params())
def using(request: pytest.FixtureRequest) -> str:
    """Run the test once for each database alias."""
    return request.param


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import HealthCheck, settings

    # Timings on a shared machine are no property of the code.
    settings.register_profile(
        "tests",
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))
    # In the environment, so that xdist's workers have the same.
    os.environ.setdefault("TEST_SEED", str(random.SystemRandom().getrandbits(32)))


def pytest_report_header() -> list[str]:
    return [
        f"seed: TEST_SEED={os.environ['TEST_SEED']} "
        "(a failing property prints its own: --hypothesis-seed)",
        *(f"{name}: {servers.why_not(name) or 'answers'}" for name in servers.SERVERS),
    ]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int
) -> None:
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(
            f"Run again with TEST_SEED={os.environ['TEST_SEED']}"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Before any fixture, so that nothing asks for an alias that isn't there.
    for name in servers.SERVERS:
        if item.get_closest_marker(name) and (reason := servers.why_not(name)):
            if servers.demanded(name):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def same_samples_are_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the local provider; the engine's own tests train each time."""
    from django_contentsafety.providers import local
    from tests import training

    monkeypatch.setattr(local, "classifier", training.once)


@pytest.fixture(autouse=True)
def seeded() -> None:
    # random alone: hypothesis seeds itself, and keeps what it found.
    random.seed(int(os.environ["TEST_SEED"]))


@pytest.fixture
def process_environment() -> dict[str, str]:
    """The environment that puts a new process on this test's databases.

    The test must commit what the process is to see: ask for the database with
    ``transaction=True``.
    """
    from django.db import connections

    names = {
        alias: str(connections[alias].settings_dict["NAME"]) for alias in connections
    }
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_NAMES": json.dumps(names),
    }


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """An empty page in Chromium; an error of a script on it fails the test.

    For tests that carry the marker ``browser``, with pytest-django's ``live_server``.
    """
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread, which the ORM takes for a view's.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    # Without these Chromium calls home.
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-quic",
        "--disable-sync",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=servers.url("browser"), args=arguments
        )
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert errors == []
