"""Once a day: what the provider has no more is marked, and what is back unmarked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import (
    build,
    heartbeats,
    invariants,
    listings,
    removing,
    upkeep,
)
from django_contentsafety.flows.activating import previous_version
from django_contentsafety.models import CategoryVersion, DbNow, Heartbeat
from django_contentsafety.providers import providers
from django_contentsafety.testing.fault_server import FaultServer, status
from django_contentsafety.testing.service import Service
from django_contentsafety.testing.trainer import Fault
from tests.building import events, remote, settle
from tests.conftest import database_params
from tests.keeping import built
from tests.test_category_command import refused, report, run

pytestmark = pytest.mark.django_db(databases="__all__")


def next_day() -> None:
    Heartbeat.objects.update(beat_at=DbNow() - listings.EVERY)


def is_gone(version: CategoryVersion) -> bool:
    version.refresh_from_db()
    return version.gone_at is not None


@pytest.mark.parametrize("using", database_params())
def test_gone_and_back(service: Service, using: str) -> None:
    kept, lost = built("kept", size=1), built("lost", size=1)
    before = events()
    assert listings.compare_due() == 1
    assert events() == before
    row = service.trainer.lose(lost.provider_version)
    next_day()
    assert listings.compare_due() == 1
    assert (is_gone(kept), is_gone(lost)) == (False, True)
    since = lost.gone_at
    next_day()
    listings.compare_due()
    assert is_gone(lost)
    # Marked once.
    assert lost.gone_at == since
    assert events()[len(before) :] == ["version_gone"]
    service.trainer.restore(row)
    next_day()
    listings.compare_due()
    assert not is_gone(lost)
    assert events()[len(before) :] == ["version_gone", "version_back"]


def test_once_a_day_and_not_by_two_at_once(service: Service, monkeypatch: Any) -> None:
    built(size=1)
    asked: list[str] = []
    service.trainer._chance = lambda step: asked.append(step)
    catalog = type(providers["remote"]).catalog

    def meanwhile(provider: Any) -> Any:
        # Another worker's turn, while we ask.
        assert listings.compare_due() == 0
        return catalog(provider)

    monkeypatch.setattr(type(providers["remote"]), "catalog", meanwhile)
    assert listings.compare_due() == 1
    assert listings.compare_due() == 0
    assert asked == ["list"]


def test_a_provider_that_fails_keeps_no_other_from_its_turn(
    settings: Any, service: Service
) -> None:
    built(size=1)
    with FaultServer(lambda request: status(503)) as other:
        settings.CONTENTSAFETY_PROVIDERS = {
            "broken": remote(other.url),
            "nonsense": {"BACKEND": "no.such.Provider"},
            **settings.CONTENTSAFETY_PROVIDERS,
        }
        version = CategoryVersion.objects.get()
        for alias in ("broken", "nonsense", "removed"):
            CategoryVersion.objects.create(
                category=version.category,
                number=CategoryVersion.objects.count() + 1,
                definition="d",
                provider=alias,
                samples_jsonl=b"",
                samples_sha256="",
                positive_count=1,
                negative_count=1,
                status="ready",
                provider_version="1",
            )
        service.trainer.lose(version.provider_version)
        done = upkeep.tick(aliases=["default"])
        assert done.failures == []
        assert is_gone(version)
        # Nothing is known of theirs, so nothing is said of it.
        others = CategoryVersion.objects.exclude(provider="remote")
        assert set(others.values_list("gone_at", flat=True)) == {None}
        # In an hour, not in a day, and not at once.
        name = "compare broken"
        assert heartbeats.resume(name, listings.EVERY) is None
        Heartbeat.objects.update(beat_at=DbNow() - timedelta(days=1))
        assert heartbeats.resume(name, listings.EVERY) is not None
        assert [len(r.path) for r in other.requests] != []


def test_after_a_fault_it_is_asked_again_in_an_hour(service: Service) -> None:
    version = built(size=1)
    service.trainer.lose(version.provider_version)
    service.trainer.fail("list", Fault(status(500)))
    assert listings.compare_due() == 0
    assert not is_gone(version)
    Heartbeat.objects.update(beat_at=heartbeat() - timedelta(minutes=59))
    assert listings.compare_due() == 0
    Heartbeat.objects.update(beat_at=heartbeat() - timedelta(minutes=1))
    assert listings.compare_due() == 1
    assert is_gone(version)


def heartbeat() -> Any:
    return Heartbeat.objects.get(name="compare remote").beat_at


def test_a_bug_of_a_provider_is_no_end_of_the_tick(monkeypatch: Any) -> None:
    built(size=1)

    def fail(provider: Any) -> Any:
        raise KeyError("a name")

    monkeypatch.setattr(type(providers["remote"]), "catalog", fail)
    assert upkeep.tick(aliases=["default"]).failures == []


def test_what_is_registered_meanwhile_is_not_gone(
    service: Service, monkeypatch: Any
) -> None:
    built(size=1)
    catalog = type(providers["remote"]).catalog
    made: list[CategoryVersion] = []

    def late(provider: Any) -> Any:
        listed = catalog(provider)
        if not made:
            made.append(built("late", size=1))
        return listed

    monkeypatch.setattr(type(providers["remote"]), "catalog", late)
    listings.compare("remote")
    assert not is_gone(made[0])


def test_what_is_deleted_meanwhile_is_not_marked(
    service: Service, monkeypatch: Any
) -> None:
    version = built(size=1)
    catalog = type(providers["remote"]).catalog

    def late(provider: Any) -> Any:
        if version.status == "ready":
            removing.delete(version, by="7")
            settle()
            version.refresh_from_db()
        return catalog(provider)

    monkeypatch.setattr(type(providers["remote"]), "catalog", late)
    assert listings.compare("remote").gone == ()
    assert not is_gone(version)


def test_what_is_built_or_deleted_is_not_looked_for(service: Service) -> None:
    version = built(size=1)
    service.trainer.lose(version.provider_version)
    for word in ("building", "deleting", "deleted"):
        CategoryVersion.objects.update(status=word)
        assert listings.compare("remote").looked_for == 0
        assert not is_gone(version)
    for word in ("frozen", "ready", "retired", "failed", "delete_failed"):
        CategoryVersion.objects.update(status=word, gone_at=None)
        assert listings.compare("remote").gone == ("scam v1",)


def test_without_versions_of_ours_nobody_is_asked(service: Service) -> None:
    service.trainer.put("spam")
    assert listings.aliases() == []
    assert listings.compare_due() == 0


def test_an_active_version_that_is_gone_is_told_and_not_activated_again(
    service: Service,
) -> None:
    version = built(size=1)
    build.activate(version, by="7")
    service.trainer.lose(version.provider_version)
    listings.compare("remote")
    (fact,) = [f for f in invariants.site_invariants() if f.name == "gone_versions"]
    assert not fact.ok
    assert "scam v1 (remote)" in fact.words
    second = build.freeze(version.category, by="7")
    build.run(build.start(second, by="7"))
    settle()
    second.refresh_from_db()
    build.activate(second, by="7")
    with pytest.raises(RefusedError, match="has no scam v1 any more"):
        build.activate(version, by="7")
    assert previous_version(version.category) is None


def test_the_command_compares_now(service: Service) -> None:
    version = built(size=1)
    assert report("compare") == {
        "providers": [{"provider": "remote", "looked_for": 1, "gone": [], "back": []}]
    }
    service.trainer.lose(version.provider_version)
    assert "scam v1 is gone." in run("compare", "--provider", "remote")
    assert is_gone(version)
    assert "can't say which versions" in refused("compare", "--provider", "local")
    service.trainer.fail("list", Fault(status(500)))
    assert refused("compare", "--provider", "remote")


def test_the_command_says_where_there_is_nothing_to_compare() -> None:
    assert "has a version of ours" in run("compare")
