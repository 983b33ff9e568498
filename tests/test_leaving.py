"""A category is deleted with what its provider keeps of its versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from django_contentsafety.exceptions import RefusedError
from django_contentsafety.flows import adopting, build, leaving, removing
from django_contentsafety.http import close_sessions
from django_contentsafety.models import (
    Category,
    CategoryVersion,
    LogEntry,
    Policy,
    PolicyRule,
)
from django_contentsafety.testing.fault_server import FaultServer
from django_contentsafety.testing.trainer import Trainer
from tests.building import SiteTables, events, freeze, remote, settle

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def trainer() -> Trainer:
    return Trainer(removal=["removing", "removing"])


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
    version: CategoryVersion = freeze(provider, size=25)
    build.start(version, by="7")
    settle()
    version.refresh_from_db()
    assert version.status == "ready"
    return version


def test_it_goes_when_the_service_has_deleted_the_last(trainer: Trainer) -> None:
    first = built()
    category = first.category
    build.activate(first, by="7", override_reason="to try it")
    second = build.freeze(category, by="7")
    build.start(second, by="7")
    settle()
    never = build.freeze(category, by="7")
    going = leaving.delete_category(category, by="8", reason="nobody needs it")
    assert sorted(going) == [first.pk, second.pk, never.pk]
    category.refresh_from_db()
    assert category.is_leaving
    assert category.active_version is None
    assert {version.status for version in category.versions.all()} == {"deleting"}
    asked = LogEntry.objects.get(event="category_delete_asked")
    assert (asked.actor_key, asked.reason) == ("8", "nobody needs it")
    settle()
    assert not Category.objects.exists()
    assert not CategoryVersion.objects.exists()
    assert sorted(trainer.removals.values()) == [1, 1]
    gone = LogEntry.objects.get(event="category_deleted")
    assert gone.details == {"samples": 50, "versions": 3}
    assert gone.pk == LogEntry.objects.latest("pk").pk


@pytest.mark.parametrize("provider", ["default", "local"])
def test_what_was_made_here_goes_at_once(provider: str) -> None:
    version = built(provider)
    build.activate(version, by="7", override_reason="to try it")
    assert leaving.delete_category(version.category, by="8") == []
    assert not Category.objects.exists()
    assert events()[-1] == "category_deleted"


def test_what_no_service_heard_of_goes_at_once(trainer: Trainer) -> None:
    version = freeze()
    assert leaving.delete_category(version.category, by="8") == []
    assert not Category.objects.exists()
    assert not trainer.removals


def test_nothing_new_is_made_of_it(trainer: Trainer) -> None:
    trainer.removal = ["removing"] * 100
    category = built().category
    leaving.delete_category(category, by="8")
    logged = events()
    with pytest.raises(RefusedError, match="scam is being deleted: it goes when"):
        build.freeze(category, by="7")
    with pytest.raises(RefusedError, match="is being deleted"):
        leaving.delete_category(category, by="8")
    policy = Policy.objects.create(slug="scams")
    rule = PolicyRule(policy=policy, category="scam", provider="remote")
    rule.scale, rule.block_at = "score", 0.9
    with pytest.raises(ValidationError, match="is being deleted"):
        rule.full_clean()
    trainer._numbers += 1
    trainer._versions["/categories/scam/versions/9"] = {
        "version": str(trainer._numbers),
        "sha256": "",
        "definition": "Scams.",
        "status": "succeeded",
        "fraction": 1.0,
    }
    found = {one.key: one for one in adopting.survey("remote")}
    others = found[("scam", str(trainer._numbers))]
    assert others.why == "The category is being deleted here."
    assert events() == logged


def test_what_still_needs_it_is_named_and_keeps_it(trainer: Trainer) -> None:
    version = built()
    build.activate(version, by="7", override_reason="to try it")
    policy = Policy.objects.create(slug="scams")
    rule = PolicyRule.objects.create(
        policy=policy, category="scam", provider="remote", scale="score", block_at=0.9
    )
    with pytest.raises(RefusedError, match="rule of the policy scams for scam"):
        leaving.delete_category(version.category, by="8")
    rule.delete()
    trainer.script = ["running"] * 100
    second = build.freeze(version.category, by="7")
    job = build.run(build.start(second, by="7"))
    with pytest.raises(RefusedError, match="scam v2 is being built: cancel"):
        leaving.delete_category(version.category, by="8")
    category = Category.objects.get()
    # Nothing was changed by what was refused.
    assert (category.active_version, category.is_leaving) == (version, False)
    build.cancel(job, by="7")
    assert len(leaving.delete_category(category, by="8")) == 2


def test_the_last_one_that_is_deleted_here_only_takes_it_along(
    trainer: Trainer,
) -> None:
    trainer.removal = ["failed"]
    version = built()
    leaving.delete_category(version.category, by="8")
    settle()
    version.refresh_from_db()
    assert version.status == "delete_failed"
    assert Category.objects.get().is_leaving
    removing.delete_here(version, by="8", reason="the service was closed")
    assert not Category.objects.exists()
    assert events()[-2:] == ["version_deleted_here", "category_deleted"]


def test_what_failed_is_tried_again_to_its_end(trainer: Trainer) -> None:
    trainer.removal = ["failed"]
    version = built()
    leaving.delete_category(version.category, by="8")
    settle()
    trainer.removal = ["removing"]
    version.refresh_from_db()
    removing.delete(version, by="8")
    settle()
    assert not Category.objects.exists()
