"""A crash at every point of every transition, on every database."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import database_params
from tests.crashes import aftermath, site
from tests.crashes.points import Process
from tests.crashes.transitions import TRANSITIONS, Transition

#: Runs a transition once in a real process, and kills it at a point.
Kill = Callable[[str, str, int], int]


@pytest.fixture(scope="session")
def kill(django_db_setup: None) -> Iterator[Kill]:
    from django.db import connections

    names = {
        alias: str(connections[alias].settings_dict["NAME"]) for alias in connections
    }
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_NAMES": json.dumps(names),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crashes.victim"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as victim:

        def ask(alias: str, name: str, point: int) -> int:
            assert victim.stdin
            assert victim.stdout
            victim.stdin.write(f"{alias} {name} {point}\n")
            victim.stdin.flush()
            return int(victim.stdout.readline())

        yield ask
        assert victim.stdin
        victim.stdin.close()


@pytest.fixture(autouse=True)
def policies(settings: Any) -> None:
    from tests.model import world

    settings.CONTENTSAFETY_PROVIDERS = world.PROVIDERS
    site.set_up()


def report(**counts: object) -> None:
    """A line of what was done, where ``CRASH_REPORT`` names a file for it."""
    if path := os.environ.get("CRASH_REPORT"):
        with Path(path).open("a") as file:
            file.write(json.dumps(counts) + "\n")


def survive(step: Transition, using: str, at: int | None) -> int:
    site.clear(using)
    prepared = step.prepare(using)
    process = Process({using, "default"}, at)
    points = process.run(lambda: step.act(using, prepared))
    assert process.is_dead == (at is not None)
    if not step.unseen:
        aftermath.check_saved(using)
    aftermath.check(using)
    return points


@pytest.mark.parametrize("name", TRANSITIONS)
@pytest.mark.parametrize(
    "using",
    [
        pytest.param(
            param.values[0],
            marks=[
                *param.marks,
                pytest.mark.django_db(
                    transaction=True, databases={"default", param.values[0]}
                ),
            ],
        )
        for param in database_params()
    ],
)
def test_a_crash_at_every_point(name: str, using: str, kill: Kill) -> None:
    step = TRANSITIONS[name]
    points = survive(step, using, None)
    for point in range(points):
        survive(step, using, point)
    at = random.randrange(points)  # noqa: S311 - seeded by conftest.py
    site.clear(using)
    assert kill(using, name, at) == signal.SIGKILL
    aftermath.check(using)
    report(transition=name, using=using, points=points, killed=1)
