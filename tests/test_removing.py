"""Versions taken out of use, put back and deleted, here and at their provider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from django_contentsafety import tasks
from django_contentsafety.exceptions import InvalidTransition, RefusedError, ServerError
from django_contentsafety.flows import build, removing
from django_contentsafety.forms import CategoryForm
from django_contentsafety.http import close_sessions
from django_contentsafety.models import Category, CategoryVersion, DbNow, LogEntry
from django_contentsafety.providers import RemovalState
from django_contentsafety.testing.fault_server import FaultServer, status
from django_contentsafety.testing.trainer import Fault, Trainer
from tests.building import SiteTables, events, freeze, pass_time, remote, settle

pytestmark = pytest.mark.django_db(databases="__all__")

PATH = "/categories/scam/versions/1"
NOT_DELETABLE = ("building", "deleting", "deleted")


@pytest.fixture
def trainer() -> Trainer:
    # A look and a question each time it is polled.
    return Trainer(removal=["queued", "queued", "removing", "removing"])


@pytest.fixture(autouse=True)
def site(using: str, settings: Any, trainer: Trainer) -> Iterator[str]:
    settings.DATABASE_ROUTERS = [SiteTables(using)]
    with FaultServer(trainer) as server:
        settings.CONTENTSAFETY_PROVIDERS = {
            **settings.CONTENTSAFETY_PROVIDERS,
            "remote": remote(server.url),
        }
        yield using
        close_sessions()


def built(provider: str = "remote") -> CategoryVersion:
    version: CategoryVersion = freeze(provider)
    build.start(version, by="7")
    settle()
    version.refresh_from_db()
    assert version.status == "ready"
    return version


def put(version: CategoryVersion, **changes: Any) -> None:
    CategoryVersion.objects.filter(pk=version.pk).update(**changes)
    version.refresh_from_db()


# --- Retired and back -------------------------------------------------------------


def test_retired_and_put_back() -> None:
    version = built("default")
    removing.retire(version, by="8", reason="worse than v2")
    assert version.status == "retired"
    with pytest.raises(RefusedError, match="only a ready version is activated"):
        build.activate(version, by="8")
    removing.reinstate(version, by="9")
    assert version.status == "ready"
    said = LogEntry.objects.order_by("pk").values_list("event", "actor_key", "reason")
    assert list(said)[-2:] == [
        ("version_retired", "8", "worse than v2"),
        ("version_reinstated", "9", ""),
    ]


@pytest.mark.parametrize("step", [removing.retire, removing.delete])
def test_the_active_version_stays(step: Any) -> None:
    version = built("default")
    build.activate(version, by="7")
    before = events()
    with pytest.raises(RefusedError, match="activate another version first"):
        step(version, by="8")
    version.refresh_from_db()
    assert version.status == "ready"
    assert events() == before


@pytest.mark.parametrize("before", CategoryVersion.Status.values)
@pytest.mark.parametrize(
    ("step", "froms"),
    [
        (removing.retire, ["ready"]),
        (removing.reinstate, ["retired"]),
        (
            removing.delete,
            [s for s in CategoryVersion.Status.values if s not in NOT_DELETABLE],
        ),
        (removing.delete_here, ["delete_failed"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_may_be_done_when(step: Any, froms: list[str], before: str) -> None:
    version = freeze("default")
    put(version, status=before)
    if before in froms:
        step(version, by="8")
        assert version.status != before or before == "deleting"
        return
    logged = events()
    with pytest.raises(RefusedError, match="scam v1 is "):
        step(version, by="8")
    version.refresh_from_db()
    assert version.status == before
    assert events() == logged


def test_a_reason_that_no_log_holds_is_refused() -> None:
    version = built("default")
    with pytest.raises(RefusedError, match="too long: use at most"):
        removing.retire(version, by="8", reason="x" * 1000)
    version.refresh_from_db()
    assert version.status == "ready"


# --- Deleted ----------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["default", "local"])
def test_what_was_made_here_is_gone_at_once(provider: str) -> None:
    version = freeze(provider, size=25)
    build.run(build.start(version, by="7"))
    version.refresh_from_db()
    kept = (version.samples_sha256, version.card, version.number, version.definition)
    removing.delete(version, by="8", reason="a mistake")
    assert version.status == "deleting"
    removing.run(version)
    assert version.status == "deleted"
    # What it was made of serves nobody, and is people's texts. That it was stays told.
    assert version.artifact is None
    assert bytes(version.samples_jsonl) == b""
    assert version.redacted
    assert kept == (
        version.samples_sha256,
        version.card,
        version.number,
        version.definition,
    )
    assert (version.removal_token, version.removal_due_at) == ("", None)
    assert events()[-2:] == ["version_delete_asked", "version_deleted"]
    assert LogEntry.objects.get(event="version_delete_asked").reason == "a mistake"
    # Its number is never given again.
    assert build.freeze(version.category, by="7").number == 2


def test_what_no_provider_heard_of_is_gone_at_once(trainer: Trainer) -> None:
    version = freeze()
    removing.delete(version, by="8")
    assert removing.run(version).status == "deleted"
    assert not trainer.removals


def test_a_service_is_followed_until_it_is_gone(trainer: Trainer) -> None:
    version = built()
    removing.delete(version, by="8")
    removing.run(version)
    assert (version.status, version.removal_words) == ("deleting", "queued")
    assert bytes(version.samples_jsonl)
    # Not before its time.
    assert removing.due() == []
    assert not removing.advance(version.pk)
    pass_time()
    removing.run(version)
    assert version.removal_words == "removing"
    settle()
    version.refresh_from_db()
    assert version.status == "deleted"
    assert trainer.removals == {PATH: 1}


def test_what_the_service_says_is_shown_and_asked_again(trainer: Trainer) -> None:
    trainer.removal = ["failed"]
    trainer.code = "InUse"
    version = built()
    removing.delete(version, by="8")
    settle()
    version.refresh_from_db()
    assert version.status == "delete_failed"
    assert version.removal_words == "The service could not delete it (InUse)."
    assert events()[-1] == "version_delete_failed"
    trainer.removal = ["removing"]
    first = version.removal_id
    removing.delete(version, by="8")
    assert version.removal_words == ""
    settle()
    version.refresh_from_db()
    assert (version.status, trainer.removals) == ("deleted", {PATH: 2})
    # Another try, another id: the service would else tell of the first.
    assert version.removal_id != first


def test_a_service_that_was_closed_keeps_nobody_from_deleting_here(
    trainer: Trainer,
) -> None:
    version = built()
    with pytest.raises(RefusedError, match="at its provider first"):
        removing.delete_here(version, by="8")
    trainer._chance = lambda step: Fault(status(410))
    removing.delete(version, by="8")
    removing.run(version)
    assert version.status == "delete_failed"
    assert "no such service" in version.removal_words
    removing.delete_here(version, by="8", reason="the service was closed")
    assert (version.status, bytes(version.samples_jsonl)) == ("deleted", b"")
    assert events()[-1] == "version_deleted_here"


def test_a_provider_that_left_the_settings(settings: Any) -> None:
    version = built()
    settings.CONTENTSAFETY_PROVIDERS = {}
    removing.delete(version, by="8")
    removing.run(version)
    assert version.status == "delete_failed"
    assert "There is no provider 'remote'" in version.removal_words


def test_a_remote_provider_that_deletes_nothing_says_so() -> None:
    """That it were gone would be a lie."""
    from tests.test_build import Remote

    with pytest.raises(Exception, match="can't delete versions"):
        Remote("remote").remove(object())  # type: ignore[arg-type]


def test_a_build_that_goes_on_at_the_service_is_waited_for(trainer: Trainer) -> None:
    trainer.script = ["running"] * 30 + ["succeeded"]
    version = freeze()
    job = build.run(build.start(version, by="7"))
    build.cancel(job, by="7")
    version.refresh_from_db()
    removing.delete(version, by="8")
    removing.run(version)
    assert version.status == "deleting"
    assert "409" in version.removal_words
    settle()
    version.refresh_from_db()
    assert (version.status, trainer.removals) == ("deleted", {PATH: 1})


def test_three_days_without_an_end_need_a_person(trainer: Trainer) -> None:
    trainer.removal = ["removing"] * 1000
    version = built()
    removing.delete(version, by="8")
    put(version, removal_since=DbNow() - timedelta(hours=71))
    removing.run(version)
    assert version.status == "deleting"
    put(version, removal_since=DbNow() - timedelta(hours=73))
    pass_time()
    removing.run(version)
    assert version.status == "delete_failed"
    assert "three days" in version.removal_words


# --- Workers that die, come late, or come in twos ---------------------------------


def test_one_worker_at_a_time(trainer: Trainer, monkeypatch: Any) -> None:
    version = built()
    removing.delete(version, by="8")
    steps = removing._steps
    met = []

    def meanwhile(mine: CategoryVersion) -> None:
        met.append(removing.advance(version.pk))
        steps(mine)

    monkeypatch.setattr(removing, "_steps", meanwhile)
    assert removing.advance(version.pk)
    assert met == [False]


@pytest.mark.parametrize("acts", [False, True])
def test_a_dead_workers_deletion_is_taken_over(
    trainer: Trainer, monkeypatch: Any, acts: bool
) -> None:
    class Died(BaseException):
        pass

    version = built()
    removing.delete(version, by="8")
    provider = removing.providers["remote"]
    remove = provider.remove

    def die(request: Any) -> None:
        if acts:
            remove(request)
        raise Died

    monkeypatch.setattr(provider, "remove", die)
    with pytest.raises(Died):
        removing.advance(version.pk)
    monkeypatch.undo()
    # Its lease stands until it runs out.
    assert not removing.advance(version.pk)
    settle()
    version.refresh_from_db()
    assert (version.status, trainer.removals) == ("deleted", {PATH: 1})


def test_a_worker_that_was_taken_over_changes_nothing(monkeypatch: Any) -> None:
    version = built()
    removing.delete(version, by="8")
    provider = removing.providers["remote"]

    def lose_the_lease(request: Any) -> RemovalState:
        put(version, removal_token="other")
        return RemovalState(status="gone")

    monkeypatch.setattr(provider, "removal", lose_the_lease)
    assert removing.advance(version.pk)
    version.refresh_from_db()
    assert (version.status, version.removal_token) == ("deleting", "other")
    assert bytes(version.samples_jsonl)


def test_a_service_that_knows_the_name_keeps_it() -> None:
    """Under another name it would find nothing, and call that deleted."""
    version = built()
    category = version.category
    data = {"name": "other", "definition": "Scams.", "provider": "remote"}
    form = CategoryForm(data, instance=category)
    assert "scam v1" in form.errors["name"][0]
    assert CategoryForm({**data, "name": "scam"}, instance=category).is_valid()
    removing.delete(version, by="8")
    settle()
    category.refresh_from_db()
    assert CategoryForm(data, instance=category).is_valid()


def test_a_name_that_no_service_knows_changes() -> None:
    data = {"name": "other", "definition": "Scams.", "provider": "default"}
    category = built("default").category
    assert CategoryForm(data, instance=category).is_valid()
    freeze("remote", "frozen")
    category = Category.objects.get(name="frozen")
    assert CategoryForm({**data, "name": "new"}, instance=category).is_valid()


def test_a_category_that_goes_while_its_provider_fails(monkeypatch: Any) -> None:
    version = built()
    removing.delete(version, by="8")

    def go(request: Any) -> None:
        Category.objects.filter(pk=version.category_id).delete()
        raise ServerError("It is unwell.")

    monkeypatch.setattr(removing.providers["remote"], "remove", go)
    assert removing.advance(version.pk)
    assert not CategoryVersion.objects.exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_worker_that_is_told_to_end_gives_its_lease_back(
    monkeypatch: Any, end: type[BaseException]
) -> None:
    version = built()
    removing.delete(version, by="8")

    def stop(version: Any) -> None:
        raise end

    monkeypatch.setattr(removing, "_steps", stop)
    with pytest.raises(end):
        removing.advance(version.pk)
    assert removing.due() == [version.pk]


@pytest.mark.parametrize(
    ("error", "status_"),
    [
        (OperationalError("locked"), "deleting"),
        (KeyError("a private text"), "delete_failed"),
    ],
)
def test_faults_of_our_own(
    monkeypatch: Any, error: Exception, status_: str, caplog: Any
) -> None:
    version = built("default")
    removing.delete(version, by="8")

    def fail(version: Any) -> None:
        raise error

    monkeypatch.setattr(removing, "_steps", fail)
    assert removing.advance(version.pk)
    version.refresh_from_db()
    assert (version.status, version.removal_token) == (status_, "")
    assert "private" not in caplog.text + version.removal_words


def test_a_stale_page_cannot_delete_twice() -> None:
    version = built("default")
    stale = CategoryVersion.objects.get()
    removing.delete(version, by="8")
    with pytest.raises(RefusedError, match="that takes its time"):
        removing.delete(stale, by="9")
    assert events().count("version_delete_asked") == 1


def test_build_and_deletion_exclude_each_other() -> None:
    version = freeze("default")
    job = build.start(version, by="7")
    with pytest.raises(RefusedError, match="cancel its build first"):
        removing.delete(version, by="8")
    build.cancel(job, by="7")
    version.refresh_from_db()
    removing.delete(version, by="8")
    with pytest.raises(RefusedError, match="only a frozen or failed one is built"):
        build.start(version, by="7")
    with pytest.raises(InvalidTransition):
        build.cancel(job, by="7")


def test_it_is_waked(settings: Any) -> None:
    version = built("default")
    removing.delete(version, by="8")
    settings.CONTENTSAFETY_WAKE = "none"
    tasks.wake_removal(version.pk)
    version.refresh_from_db()
    assert version.status == "deleting"
    settings.CONTENTSAFETY_WAKE = "inline"
    tasks.wake_removal(version.pk)
    version.refresh_from_db()
    assert version.status == "deleted"
