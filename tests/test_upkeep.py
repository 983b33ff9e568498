"""A tick: each step by itself, one sweeper at a time, and in processes of their own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections

from django_contentsafety.flows import upkeep
from django_contentsafety.flows.heartbeats import lead
from django_contentsafety.models import (
    DbNow,
    Heartbeat,
)

pytestmark = pytest.mark.django_db(databases="__all__")

ROOT = Path(__file__).parent.parent


def beats() -> set[str]:
    return set(Heartbeat.objects.values_list("name", flat=True))


# --- Steps ------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch: Any, settings: Any) -> list[tuple[str, str]]:
    """Two databases, and every step of a tick replaced by one that says it ran."""
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    ran: list[tuple[str, str]] = []

    def told(name: str) -> Any:
        def step(using: str = "", *args: Any, **kwargs: Any) -> Any:
            ran.append((using, name))
            if name == "drain":
                return upkeep.DrainCounts()
            return 0 if name == "builds" else None

        return step

    monkeypatch.setattr(upkeep, "drain", told("drain"))
    monkeypatch.setattr(upkeep, "advance_builds", told("builds"))
    monkeypatch.setattr(upkeep, "STEPS", {name: told(name) for name in upkeep.STEPS})
    return ran


EACH = ["drain", *upkeep.STEPS]
ALL = {(using, name) for using in ("default", "other") for name in EACH}
ALL |= {("", "builds")}


def test_a_tick_does_all_of_it_and_says_so(ran: list[tuple[str, str]]) -> None:
    done = upkeep.tick()
    assert sorted(ran) == sorted(ALL)
    assert done.failures == []
    assert list(done.drained) == list(done.swept) == ["default", "other"]
    assert beats() == {"drain", "sweep"}


@pytest.mark.parametrize("failing", [*EACH, "builds"])
def test_a_step_that_fails_starves_no_other(
    ran: list[tuple[str, str]], monkeypatch: Any, caplog: Any, failing: str
) -> None:
    def fail(using: str = "", *args: Any, **kwargs: Any) -> None:
        raise DatabaseError("a private text")

    if failing in upkeep.STEPS:
        monkeypatch.setitem(upkeep.STEPS, failing, fail)
    else:
        name = {"drain": "drain", "builds": "advance_builds"}[failing]
        monkeypatch.setattr(upkeep, name, fail)
    done = upkeep.tick()
    assert set(ran) == {(using, name) for using, name in ALL if name != failing}
    assert len(done.failures) == (1 if failing == "builds" else 2)
    assert all(f"{failing}: DatabaseError" in words for words in done.failures)
    assert f"{failing}: DatabaseError" in caplog.text
    assert "private" not in caplog.text
    # It must not look as if all were well.
    assert beats() == ({"sweep"} if failing == "drain" else {"drain", "sweep"})
    ages = dict(Heartbeat.objects.values_list("name", "beat_at"))
    assert ages.keys() == beats()


def test_a_failing_sweep_leaves_no_heartbeat(
    ran: list[tuple[str, str]], monkeypatch: Any
) -> None:
    upkeep.tick()
    Heartbeat.objects.update(beat_at=DbNow() - timedelta(hours=1))
    monkeypatch.setitem(upkeep.STEPS, "age", lambda *args: 1 / 0)
    upkeep.tick()
    recently = Heartbeat.objects.filter(beat_at__gt=DbNow() - timedelta(minutes=1))
    assert [beat.name for beat in recently] == ["drain"]


def test_a_database_that_is_down_is_left_out_and_named(
    ran: list[tuple[str, str]], monkeypatch: Any, caplog: Any
) -> None:
    def refuse() -> None:
        raise OperationalError("password=hunter2")

    monkeypatch.setattr(connections["other"], "ensure_connection", refuse)
    done = upkeep.tick()
    assert set(ran) == {pair for pair in ALL if pair[0] != "other"}
    assert done.failures == ["other: can't be opened: OperationalError"]
    assert "hunter2" not in caplog.text
    # The sweep did what it could.
    assert beats() == {"drain", "sweep"}


def test_draining_alone(ran: list[tuple[str, str]]) -> None:
    upkeep.tick(sweeping=False, aliases=["other"])
    assert ran == [("other", "drain")]
    assert beats() == set()


# --- One sweeper ------------------------------------------------------------------


def test_one_leads_at_a_time() -> None:
    with lead("sweep") as first, lead("sweep") as second, lead("other") as other:
        assert (first, second, other) == (True, False, True)
    with lead("sweep") as third:
        assert third


def test_a_lease_that_ran_out_is_anybodys() -> None:
    with lead("sweep"):
        Heartbeat.objects.update(lease_until=DbNow() - timedelta(seconds=1))
        with lead("sweep") as second:
            assert second
            # The first one's end doesn't take it from the second.
        with lead("sweep") as third:
            assert third


def test_ending_late_frees_no_others_lease() -> None:
    first = lead("sweep")
    first.__enter__()
    Heartbeat.objects.update(lease_until=DbNow() - timedelta(seconds=1))
    with lead("sweep") as second:
        first.__exit__(None, None, None)
        with lead("sweep") as third:
            assert (second, third) == (True, False)


def test_who_does_not_lead_still_drains(ran: list[tuple[str, str]]) -> None:
    with lead("sweep"):
        done = upkeep.tick()
    assert ran == [("default", "drain"), ("other", "drain")]
    assert done.swept == {}
    assert done.failures == []


def test_where_the_lease_cannot_be_read_everybody_leads(monkeypatch: Any) -> None:
    def refuse(*args: Any) -> bool:
        raise OperationalError

    monkeypatch.setattr("django_contentsafety.flows.heartbeats._take", refuse)
    with lead("sweep") as leading:
        assert leading
