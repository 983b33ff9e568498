"""The transitions of a category's life: what people ask for, and each step of workers.

As in ``transitions``: ``prepare`` commits what a step starts from, ``act`` may end at
any statement and any request. All with a remote trainer, and those of a build with the
embedded engine as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django_contentsafety.flows import (
    adopting,
    build,
    leaving,
    listings,
    measuring,
    removing,
)
from django_contentsafety.models import (
    BuildJob,
    CardJob,
    Category,
    CategoryVersion,
    DbNow,
    Heartbeat,
    LogEntry,
)
from django_contentsafety.testing.fault_server import status
from django_contentsafety.testing.trainer import Fault, Trainer
from tests.building import freeze, pass_time

#: Registering, submitting and the first poll are one advance.
POLLS = ["running", "running", "succeeded"]


@dataclass
class Stage:
    """Which provider builds, and the trainer behind the remote one."""

    provider: str
    trainer: Trainer

    def frozen(self) -> CategoryVersion:
        version: CategoryVersion = freeze(
            self.provider, size=20 if self.provider == "local" else 1
        )
        return version


#: Samples of each kind, of which ten are withheld.
MANY = 50


Prepare = Callable[[Stage], Any]
Act = Callable[[Any], object]


@dataclass(frozen=True)
class Step:
    name: str
    prepare: Prepare
    act: Act
    providers: tuple[str, ...]
    #: The statuses of the version, once housekeeping has come by, by whether the step
    #: was done or had not been begun.
    ends: frozenset[str]


STEPS: dict[str, Step] = {}
#: An end: the version has gone with its category.
GONE = "gone"


def step(
    prepare: Prepare, *ends: str, providers: tuple[str, ...] = ("remote",)
) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        STEPS[act.__name__] = Step(
            act.__name__, prepare, act, providers, frozenset(ends)
        )
        return act

    return add


#: The dummy is a provider in this process, as the embedded engine is, and quicker.
EACH = ("remote", "default")


# --- Starts -----------------------------------------------------------------------


def category(stage: Stage) -> Any:
    return stage.frozen().category


def frozen(stage: Stage) -> CategoryVersion:
    return stage.frozen()


def queued(stage: Stage) -> BuildJob:
    return build.start(stage.frozen(), by="7")


def polled(stage: Stage) -> BuildJob:
    job = build.run(queued(stage))
    assert job.status == "building"
    pass_time()
    return job


def last_poll(stage: Stage) -> BuildJob:
    job = polled(stage)
    build.advance(job.pk)
    pass_time()
    return job


def failing(stage: Stage) -> BuildJob:
    stage.trainer.script = ["running", "failed"]
    return polled(stage)


def troubled(stage: Stage) -> BuildJob:
    job = polled(stage)
    stage.trainer.fail("ask", Fault(status(503)))
    return job


def refused(stage: Stage) -> BuildJob:
    job = queued(stage)
    stage.trainer.fail("submit", Fault(status(401)))
    return job


def waiting_for_a_person(stage: Stage) -> BuildJob:
    job = build.run(refused(stage))
    assert job.status == "needs_attention"
    return job


def ready(stage: Stage) -> CategoryVersion:
    version = stage.frozen()
    job = build.start(version, by="7")
    while build.run(job).status != "succeeded":
        pass_time()
    version.refresh_from_db()
    return version


def retired(stage: Stage) -> CategoryVersion:
    version = ready(stage)
    removing.retire(version, by="7")
    return version


def to_delete(stage: Stage) -> CategoryVersion:
    version = ready(stage)
    removing.delete(version, by="7")
    return version


def deleting(stage: Stage) -> CategoryVersion:
    version = to_delete(stage)
    removing.advance(version.pk)
    pass_time()
    return version


def undeletable(stage: Stage) -> CategoryVersion:
    version = to_delete(stage)
    stage.trainer.fail("remove", Fault(status(410)))
    return version


def delete_failed(stage: Stage) -> CategoryVersion:
    version = undeletable(stage)
    assert removing.run(version).status == "delete_failed"
    return version


def built_category(stage: Stage) -> Any:
    return ready(stage).category


def leaving_last(stage: Stage) -> CategoryVersion:
    """The category goes with it."""
    version = ready(stage)
    leaving.delete_category(version.category, by="7")
    return version


def nearly_measured(stage: Stage) -> CardJob:
    """One text is left: it is asked about in this thread."""
    version = freeze(stage.provider, size=MANY)
    job = build.start(version, by="7")
    while build.run(job).status != "succeeded":
        pass_time()
    card = CardJob.objects.get(version=version)
    # As the service would answer: all of them alike.
    CardJob.objects.filter(pk=card.pk).update(answers=[0.0] * (card.total - 1))
    return card


def measured(stage: Stage) -> CategoryVersion:
    card = nearly_measured(stage)
    measuring.advance(card.pk)
    version = CategoryVersion.objects.get()
    assert version.card
    return version


def kept_elsewhere(stage: Stage) -> str:
    """Two versions that the service keeps, in a category that is here."""
    stage.frozen().delete()
    numbers = [stage.trainer.put("scam") for _ in range(2)]
    Category.objects.update(last_number=0)
    LogEntry.objects.all()._raw_delete(LogEntry.objects.db)
    return numbers[0]


def lost(stage: Stage) -> CategoryVersion:
    version = ready(stage)
    stage.trainer.lose(version.provider_version)
    # Nobody's, and due: an earlier worker may have died in the middle of it.
    Heartbeat.objects.update_or_create(
        name="compare remote",
        defaults={"beat_at": DbNow() - listings.EVERY, "lease_until": None},
    )
    return version


# --- People -----------------------------------------------------------------------


@step(category, "frozen", providers=EACH)
def freeze_again(category: Any) -> None:
    build.freeze(category, by="7")


@step(frozen, "frozen", "ready", providers=EACH)
def start(version: CategoryVersion) -> None:
    build.start(version, by="7")


@step(polled, "failed", "ready")
def cancel(job: BuildJob) -> None:
    build.cancel(job, by="7")


@step(waiting_for_a_person, "building", "ready")
def try_again(job: BuildJob) -> None:
    build.try_again(job, by="7")


@step(ready, "ready", "retired")
def retire(version: CategoryVersion) -> None:
    removing.retire(version, by="7")


@step(retired, "ready", "retired")
def reinstate(version: CategoryVersion) -> None:
    removing.reinstate(version, by="7")


@step(ready, "ready", "deleted", providers=EACH)
def delete(version: CategoryVersion) -> None:
    removing.delete(version, by="7")


@step(delete_failed, "delete_failed", "deleted")
def delete_again(version: CategoryVersion) -> None:
    removing.delete(version, by="7")


@step(delete_failed, "delete_failed", "deleted")
def delete_here(version: CategoryVersion) -> None:
    removing.delete_here(version, by="7")


@step(built_category, "ready", GONE, providers=EACH)
def delete_category(category: Any) -> None:
    leaving.delete_category(category, by="7")


@step(kept_elsewhere, "ready")
def adopt(number: str) -> None:
    adopting.adopt("remote", None, by="7")


@step(measured, "ready")
def measure_again(version: CategoryVersion) -> None:
    measuring.again(version, by="7")
    CardJob.objects.update(answers=[0.0] * version.withheld_count)


# --- Workers ----------------------------------------------------------------------


@step(queued, "ready", providers=(*EACH, "local"))
def build_it(job: BuildJob) -> None:
    """All in one process: to its end, or to the first wait for a service."""
    build.run(job)


@step(polled, "ready")
def poll(job: BuildJob) -> None:
    build.advance(job.pk)


@step(last_poll, "ready")
def poll_the_end(job: BuildJob) -> None:
    build.advance(job.pk)


@step(troubled, "ready")
def poll_in_vain(job: BuildJob) -> None:
    build.advance(job.pk)


@step(failing, "failed")
def poll_a_failure(job: BuildJob) -> None:
    build.advance(job.pk)


@step(refused, "building", "ready")
def ask_for_help(job: BuildJob) -> None:
    build.advance(job.pk)


@step(nearly_measured, "ready")
def measure(card: CardJob) -> None:
    measuring.advance(card.pk)


@step(lost, "ready")
def compare_nightly(version: CategoryVersion) -> None:
    listings.compare_due()


@step(to_delete, "deleted", providers=EACH)
def remove(version: CategoryVersion) -> None:
    removing.advance(version.pk)


@step(leaving_last, GONE, providers=("remote",))
def remove_with_its_category(version: CategoryVersion) -> None:
    removing.advance(version.pk)


@step(deleting, "deleted")
def follow_the_removal(version: CategoryVersion) -> None:
    removing.advance(version.pk)


@step(undeletable, "delete_failed", "deleted")
def fail_to_remove(version: CategoryVersion) -> None:
    removing.advance(version.pk)
