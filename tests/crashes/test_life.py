"""A crash at every statement and every request of a category's life, on every database.

Whoever comes next goes on with it: nothing hangs, nothing is started or deleted twice,
and the log tells of each thing that happened once.
"""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from django_contentsafety.flows import (
    adopting,
    advancing,
    build,
    leaving,
    listings,
    measuring,
    removing,
)
from django_contentsafety.http import close_sessions
from django_contentsafety.models import CardJob, Category, CategoryVersion, LogEntry
from django_contentsafety.testing.fault_server import FaultServer, Request
from django_contentsafety.testing.service import Service
from django_contentsafety.testing.trainer import Trainer
from tests.building import SiteTables, remote, settle
from tests.conftest import database_params
from tests.crashes.life import GONE, POLLS, STEPS, Stage, Step
from tests.crashes.points import Process
from tests.crashes.test_crash_points import report

#: Public, and no step of its own: reads, or strings steps together.
NOT_STEPS = {
    "adopting.listers",
    "adopting.survey",
    "build.activate",
    "build.import_samples",
    # Parts of deleting a category.
    "leaving.what_hinders",
    "removing.begin",
    "removing.drop",
    "removing.hold",
    "listings.aliases",
    # What the nightly one does, without its turn.
    "listings.compare",
    "listings.compare_now",
    "measuring.begin",
    "measuring.find",
}


@pytest.fixture
def play(settings: Any, using: str) -> Iterator[Callable[[Trainer], None]]:
    """Put another trainer behind the remote provider's address."""
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    now: list[Trainer] = []

    answers = Service()

    def answer(request: Request) -> Any:
        analyzes = request.path == "/analyze"
        return answers(request) if analyzes else now[0](request)

    with FaultServer(answer) as server:
        settings.CONTENTSAFETY_PROVIDERS = {
            **settings.CONTENTSAFETY_PROVIDERS,
            "remote": remote(server.url),
        }
        yield lambda trainer: now.__setitem__(slice(None), [trainer])
        close_sessions()


@pytest.fixture(autouse=True)
def first_progress_alone_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or how many points there are would go by the clock."""
    monkeypatch.setattr(advancing, "PROGRESS_SECONDS", time.monotonic() - 1)


def clear() -> None:
    Category.objects.all().delete()
    LogEntry.objects.all()._raw_delete(LogEntry.objects.db)


def survive(step: Step, provider: str, play: Any, using: str, at: int | None) -> int:
    clear()
    # Nobody but ourselves keeps us from doing it twice.
    trainer = Trainer(script=POLLS, removal=["running"] * 4, refuses=False)
    play(trainer)
    prepared = step.prepare(Stage(provider, trainer))
    process = Process({using}, at)
    points = process.run(lambda: step.act(prepared))
    assert process.is_dead == (at is not None)
    settle()
    check(step, trainer)
    return points


def check(step: Step, trainer: Trainer) -> None:
    for counts in (trainer.starts, trainer.registrations, trainer.removals):
        assert max(counts.values(), default=0) <= 1, "done twice at the service"
    if GONE in step.ends and not Category.objects.exists():
        check_category_gone()
        return
    assert not Category.objects.filter(leaving_since__isnull=False).exists(), "it hangs"
    for version in CategoryVersion.objects.all():
        assert version.status in step.ends
        check_version(version)
    numbers = CategoryVersion.objects.order_by("pk").values_list("number", flat=True)
    category = Category.objects.get()
    # Nothing frozen, nothing burned.
    assert list(numbers) == list(range(1, category.last_number + 1))


def check_category_gone() -> None:
    assert not CategoryVersion.objects.exists()
    logged = Counter(entry.event for entry in LogEntry.objects.all())
    assert logged["category_deleted"] == 1
    assert logged["category_delete_asked"] == logged["version_deleted"]


def check_version(version: CategoryVersion) -> None:
    jobs = list(version.builds.all())
    (job,) = jobs or [None]
    logged = Counter(
        entry.event
        for entry in LogEntry.objects.filter(event__contains="")
        if entry.details.get("version") == version.number
    )
    assert logged["frozen"] + logged["adopted"] == 1
    # A card that is asked for again is made again.
    most = 2 if version.removal_id or logged["card_asked"] else 1
    assert max(logged.values()) <= most, "logged twice"
    assert logged["build_asked"] == len(jobs)
    if job is None:
        assert version.status in ("frozen", "deleted") or version.is_adopted
        return
    card = CardJob.objects.filter(version=version).first()
    assert (card is not None) == bool(version.withheld_count and version.ready_at)
    if card is not None:
        assert not card.goes_on, "it hangs"
        assert version.card
        assert logged["card_made"] == logged["card_asked"] + 1
    # The build, its version, its lock on the category and the log are of one mind.
    assert (job.live_category_id is None) == job.is_final
    assert (version.status == "building") == (not job.is_final)
    assert logged["built"] == (job.status == "succeeded")
    assert logged["build_failed"] == (job.status == "failed")
    assert logged["build_canceled"] == (job.status == "canceled")
    if not job.is_final:
        assert job.status == "needs_attention", "it hangs"
    assert job.lease_token == ""
    if version.status == "ready":
        assert job.status == "succeeded"
        assert version.ready_at is not None
        assert (version.provider == "local") == (version.artifact is not None)
    assert version.removal_token == ""
    gone = version.status == "deleted"
    assert gone == (bytes(version.samples_jsonl) == b"") == version.redacted
    assert gone == (logged["version_deleted"] + logged["version_deleted_here"] == 1)
    assert version.status != "deleting", "it hangs"


CASES = [(name, provider) for name in STEPS for provider in STEPS[name].providers]


@pytest.mark.parametrize(("name", "provider"), CASES)
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
def test_a_crash_at_every_point(
    name: str, provider: str, using: str, play: Callable[[Trainer], None]
) -> None:
    step = STEPS[name]
    points = survive(step, provider, play, using, None)
    assert points > 2
    for point in range(points):
        survive(step, provider, play, using, point)
    report(transition=f"{name}, {provider}", using=using, points=points, killed=0)


def test_every_public_step_has_a_case() -> None:
    """A step that is new in the flows and has no case fails here."""
    named = {name for step in STEPS.values() for name in step.act.__code__.co_names}
    modules: tuple[ModuleType, ...] = (
        adopting,
        advancing,
        build,
        leaving,
        listings,
        measuring,
        removing,
    )
    missing = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and name not in named
    }
    due = {"advancing.due", "measuring.due", "removing.due"}
    assert missing - NOT_STEPS == due
