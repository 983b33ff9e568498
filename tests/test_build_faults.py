"""Whatever a remote trainer answers, and whenever: a build ends well, started once.

Each fault comes in the place of each request of a whole life, from registering to the
end of the deletion.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from django_contentsafety.exceptions import RateLimited, ServerError
from django_contentsafety.flows import advancing, build, pacing
from django_contentsafety.flows.standing import standing
from django_contentsafety.http import close_sessions
from django_contentsafety.models import BuildJob, Category, CategoryVersion, DbNow
from django_contentsafety.providers import BuildState, providers
from django_contentsafety.testing import fault_server
from django_contentsafety.testing.fault_server import FaultServer, Reply, answer, status
from django_contentsafety.testing.trainer import STEPS, Fault, Trainer
from tests.building import events, freeze, pass_time, remote, settle
from tests.lives import Nth, be_built, be_deleted

pytestmark = pytest.mark.django_db

PATH = "/categories/scam/versions/1"
WORDS = ["queued", "warming up", "running", "succeeded"]

#: The answer, and the codes with which a person may be asked for help because of it.
FAULTS: dict[str, tuple[Reply, set[str]]] = {
    "400": (status(400, {"error": {"code": "BadRequest"}}), {"content"}),
    "401": (status(401), {"config"}),
    "403": (status(403), {"config"}),
    # A service that says so of what is there is believed, or looked at again.
    "404, coded": (status(404, {"error": {"code": "NotFound"}}), {"missing"}),
    "404": (status(404), {"gone"}),
    "409": (status(409, {"error": {"code": "Conflict"}}), {"missing"}),
    "410": (status(410), {"gone"}),
    "429": (status(429, retry_after="7"), set()),
    "500": (status(500), set()),
    "503": (status(503, retry_after="9"), set()),
    "a timeout": (fault_server.black_hole(), set()),
    "a reset": (fault_server.reset(), set()),
    "half an answer": (fault_server.truncated({"status": "running"}, 9), set()),
    "a page": (fault_server.body(b"<html>Sorry", "text/html"), set()),
    "another JSON": (answer({"hello": "world"}), set()),
    # Said of an operation that nobody has begun, it is believed.
    "an unknown word": (answer({"status": "Rebalancing"}), {"missing"}),
}
#: What changes something at the service, and may have done so before the answer failed.
ACTING = {"register", "submit", "remove"}


@contextmanager
def service(settings: Any, trainer: Trainer, **options: Any) -> Iterator[Trainer]:
    with FaultServer(trainer) as server:
        settings.CONTENTSAFETY_PROVIDERS = {
            **settings.CONTENTSAFETY_PROVIDERS,
            "remote": remote(server.url, **options),
        }
        yield trainer
        close_sessions()


@pytest.fixture
def trainer(settings: Any) -> Iterator[Trainer]:
    with service(settings, Trainer(script=WORDS, refuses=False)) as trainer:
        yield trainer


def live(chance: Nth, settings: Any) -> tuple[Trainer, CategoryVersion, list[str]]:
    """A whole life, with a person who sees to what needs one; the codes they saw."""
    # Nobody but ourselves keeps us from doing it twice.
    trainer = Trainer(script=WORDS, chance=chance, refuses=False)
    with service(settings, trainer, **chance.timeouts):
        version = freeze()
        asked = be_built(version) + be_deleted(version)
    return trainer, version, asked


def the_steps() -> list[str]:
    """Of a life in which all goes well, in order; held by the test below."""
    built = ["look", "register", "ask", "look", "submit", *["ask"] * len(WORDS)]
    return [*built, "ask", "look", "remove", "look", "ask", "look"]


def test_a_life_in_which_all_goes_well(settings: Any) -> None:
    chance = Nth()
    trainer, version, asked = live(chance, settings)
    assert chance.steps == the_steps()
    # A listing is asked for by people, and by the nightly compare.
    assert set(chance.steps) == set(STEPS) - {"list"}
    assert asked == []
    assert version.status == "deleted"
    assert trainer.starts == trainer.registrations == trainer.removals == {PATH: 1}


CASES = [
    pytest.param(
        number, step, name, acts, id=f"{number} {step}, {name}{', done' * acts}"
    )
    for number, step in enumerate(the_steps())
    for name in FAULTS
    for acts in ((False, True) if step in ACTING else (False,))
]


@pytest.mark.parametrize(("number", "step", "name", "acts"), CASES)
def test_each_fault_at_each_step(
    settings: Any, number: int, step: str, name: str, acts: bool
) -> None:
    reply, codes = FAULTS[name]
    trainer, version, asked = live(Nth(number, Fault(reply, acts)), settings)
    assert version.status == "deleted"
    assert trainer.starts == {PATH: 1}
    assert trainer.registrations == {PATH: 1}
    assert trainer.removals == {PATH: 1}
    assert len(asked) <= 1
    if not codes:
        assert asked == []
    if step != "remove" and number < the_steps().index("remove") - 2:
        assert set(asked) <= codes


# --- Adopted, not started again ---------------------------------------------------


def test_an_operation_that_the_service_forgot_is_looked_up_by_its_version(
    trainer: Trainer,
) -> None:
    job = build.run(build.start(freeze(), by="7"))
    trainer.forget_operations()
    settle()
    job.refresh_from_db()
    assert (job.status, trainer.starts) == ("succeeded", {PATH: 1})


@pytest.mark.parametrize("polls", range(len(WORDS)))
@pytest.mark.parametrize("found", [None, answer({"hello": "world"}), status(500)])
def test_a_forgotten_operation_is_not_started_again(
    trainer: Trainer, polls: int, found: Reply | None
) -> None:
    """The worker died as it submitted; the service builds, and tells of the version."""
    job = build.start(freeze(), by="7")
    trainer.fail("submit", Fault(fault_server.reset(), acts=True))
    build.run(job)
    for _ in range(polls):
        trainer._move_on(PATH)
    trainer.forget_operations()
    if found:
        trainer.fail("look", Fault(found))
    settle()
    job.refresh_from_db()
    assert (job.status, trainer.starts) == ("succeeded", {PATH: 1})


def test_a_build_that_goes_on_after_its_cancel_is_adopted(trainer: Trainer) -> None:
    trainer.script = ["running"] * 10 + ["succeeded"]
    version = freeze()
    job = build.run(build.start(version, by="7"))
    build.cancel(job, by="7")
    second = build.run(build.start(version, by="7"))
    assert second.operation_id != job.operation_id
    settle()
    second.refresh_from_db()
    assert (second.status, trainer.starts) == ("succeeded", {PATH: 1})


def test_a_build_that_failed_is_started_again_only_by_a_person(
    trainer: Trainer,
) -> None:
    trainer.script = ["failed"]
    version = freeze()
    job = build.run(build.start(version, by="7"))
    assert (job.status, job.raw_status) == ("failed", "failed")
    assert job.error_message == "The service could not build it (TooAlike)."
    settle()
    assert trainer.starts == {PATH: 1}
    trainer.script = ["succeeded"]
    assert build.run(build.start(version, by="7")).status == "succeeded"
    assert trainer.starts == {PATH: 2}


def test_hours_of_polls(settings: Any) -> None:
    hours = Trainer(script=["running"] * 300 + ["succeeded"])
    with service(settings, hours):
        job = build.start(freeze(), by="7")
        settle(times=320)
        job.refresh_from_db()
        assert (job.status, job.poll_count) == ("succeeded", 301)
        assert hours.starts == {PATH: 1}


# --- What is said meanwhile, and until when ---------------------------------------


def put(job: BuildJob, **changes: Any) -> BuildJob:
    BuildJob.objects.filter(pk=job.pk).update(**changes)
    job.refresh_from_db()
    return job


def ago(hours: float) -> Any:
    return DbNow() - timedelta(hours=hours)


def test_trouble_is_said_and_forgotten_once_it_is_over(trainer: Trainer) -> None:
    job = build.run(build.start(freeze(), by="7"))
    trainer.fail("ask", Fault(status(503)))
    pass_time()
    job = build.run(job)
    assert (job.status, job.error_code) == ("building", "server")
    assert job.error_message == "The provider 'remote' answered HTTP 503."
    assert job.raw_status == "queued"
    pass_time()
    job = build.run(job)
    assert (job.error_code, job.error_message) == ("", "")
    assert job.raw_status == "warming up"


def test_longer_than_a_day_is_told_and_polled_on(trainer: Trainer) -> None:
    job = build.run(build.start(freeze(), by="7"))
    assert not standing(job).is_overdue
    put(job, created_at=ago(25), overdue_at=ago(1))
    assert standing(job).is_overdue
    settle()
    job.refresh_from_db()
    assert (job.status, trainer.starts) == ("succeeded", {PATH: 1})
    assert not standing(job).is_overdue


@pytest.mark.parametrize("fault", [None, Fault(status(503))])
def test_after_three_days_a_person_has_to_look(
    trainer: Trainer, fault: Fault | None
) -> None:
    trainer.script = ["running"]
    job = build.run(build.start(freeze(), by="7"))
    for hours, expected in ((71.9, "building"), (72.1, "needs_attention")):
        put(job, created_at=ago(hours), overdue_at=ago(hours - 24))
        if fault:
            trainer.fail("ask", fault)
        pass_time()
        job = build.run(job)
        assert job.status == expected
    assert job.error_code == "endless"
    assert ("503" in job.error_message) == bool(fault)
    # It has its whole time again, and is not started again.
    build.try_again(job, by="7")
    job = build.run(job)
    assert (job.status, standing(job).is_overdue) == ("building", False)
    assert trainer.starts == {PATH: 1}
    assert events()[-1] == "build_tried_again"


def test_polls_are_spread(monkeypatch: Any) -> None:
    age = timedelta(hours=1)
    delays = [pacing.next_poll(age) for _ in range(200)]
    assert timedelta(minutes=4.5) <= min(delays) < timedelta(minutes=4.7)
    assert timedelta(minutes=5.3) < max(delays) <= timedelta(minutes=5.5)


@pytest.mark.parametrize(
    ("age", "error", "least", "most"),
    [
        (timedelta(0), ServerError("x"), 54, 66),
        (timedelta(hours=1), ServerError("x"), 270, 300),
        # A fault may be over soon, however rare the polls are.
        (timedelta(hours=20), ServerError("x"), 300, 300),
        (timedelta(hours=20), ServerError("x", retry_after=9), 9, 9),
        (timedelta(0), RateLimited("x", retry_after=900), 900, 900),
        # At once would be a loop.
        (timedelta(0), RateLimited("x", retry_after=0), 1, 1),
    ],
)
def test_after_a_fault(age: timedelta, error: Any, least: float, most: float) -> None:
    for _ in range(20):
        assert least <= pacing.next_try(age, error).total_seconds() <= most


# --- Our own faults ---------------------------------------------------------------


def test_a_database_that_fails_is_no_fault_of_the_build(
    trainer: Trainer, monkeypatch: Any, caplog: Any
) -> None:
    job = build.start(freeze(), by="7")

    def fail(*args: Any) -> None:
        raise OperationalError("database is locked: secret")

    monkeypatch.setattr(advancing, "_steps", fail)
    assert build.advance(job.pk)
    job.refresh_from_db()
    assert (job.status, job.lease_token, job.error_code) == ("queued", "", "")
    assert build.due() == []
    assert "secret" not in caplog.text
    monkeypatch.undo()
    settle()
    job.refresh_from_db()
    assert job.status == "succeeded"


def test_one_that_the_database_fails_keeps_no_other_from_going_on(
    settings: Any, monkeypatch: Any
) -> None:
    from django_contentsafety.flows import upkeep

    jobs = [build.start(freeze("default", f"s{n}"), by="7") for n in range(3)]
    advance = build.advance

    def fail(pk: int) -> bool:
        if pk == jobs[0].pk:
            raise OperationalError
        return advance(pk)

    monkeypatch.setattr(build, "advance", fail)
    with pytest.raises(OperationalError):
        upkeep.advance_builds()
    states = BuildJob.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["queued", "succeeded", "succeeded"]


def test_texts_do_not_wait_for_a_long_line_of_builds(
    settings: Any, monkeypatch: Any
) -> None:
    from django_contentsafety.flows import upkeep

    monkeypatch.setattr(upkeep, "BUILD_SECONDS", -1.0)
    for number in range(3):
        build.start(freeze("default", f"s{number}"), by="7")
    assert upkeep.advance_builds() == 1
    assert len(build.due()) == 2


def test_what_is_canceled_between_claim_and_look_is_left_alone(
    trainer: Trainer, monkeypatch: Any
) -> None:
    """Its provider isn't asked, and no training begins."""
    job = build.start(freeze(), by="7")
    queryset = type(BuildJob.objects.all())
    select_related = queryset.select_related

    def cancel_first(self: Any, *names: str) -> Any:
        monkeypatch.setattr(queryset, "select_related", select_related)
        build.cancel(BuildJob.objects.get(pk=job.pk), by="8")
        return select_related(self, *names)

    monkeypatch.setattr(queryset, "select_related", cancel_first)
    assert not build.advance(job.pk)
    assert not trainer.registrations
    job.refresh_from_db()
    assert job.status == "canceled"


def test_a_category_that_goes_while_its_provider_fails(
    trainer: Trainer, monkeypatch: Any
) -> None:
    """Nothing is left to write to, and the worker goes on with the others."""
    job = build.start(freeze(), by="7")

    def go(request: Any) -> str:
        Category.objects.filter(pk=job.version.category_id).delete()
        raise ServerError("It is unwell.")

    monkeypatch.setattr(providers["remote"], "register", go)
    assert build.advance(job.pk)
    assert not BuildJob.objects.exists()


def test_progress_is_kept_between_polls(trainer: Trainer, monkeypatch: Any) -> None:
    provider = providers["remote"]
    state = BuildState(status="running", raw_status="x" * 300, phase="p", fraction=0.4)
    monkeypatch.setattr(provider, "poll", lambda *args: state)
    job = build.run(build.start(freeze(), by="7"))
    assert (job.raw_status, job.phase, job.progress) == ("x" * 100, "p", 40)
    assert job.building_at is not None
