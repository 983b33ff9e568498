"""Each promise is a query that says when it is broken: in words, JSON and metrics."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from django_contentsafety.flows import build, invariants, upkeep
from django_contentsafety.flows.invariants import ROW_FACTS, SITE_FACTS, Fact
from django_contentsafety.metrics import ContentSafetyCollector
from django_contentsafety.models import (
    BuildJob,
    Category,
    CategoryVersion,
    Coverage,
    DbNow,
    Heartbeat,
    ModerationState,
    Policy,
    ProviderHealth,
)
from django_contentsafety.registry import registry
from tests.policies import make_policy, state_of
from tests.testapp.models import Comment

pytestmark = pytest.mark.django_db(databases="__all__")

CANARY = "canary text"
TOKEN = "a token of twenty characters"


@pytest.fixture(autouse=True)
def live_policy() -> Policy:
    return make_policy()


def ago(seconds: float) -> Any:
    return DbNow() - timedelta(seconds=seconds)


def fact(name: str, using: str = "default") -> Fact:
    (found,) = [
        found
        for found in [*invariants.site_invariants(), *invariants.invariants(using)]
        if found.name == name
    ]
    return found


def state(using: str, **changes: Any) -> ModerationState:
    row = state_of(Comment.objects.using(using).create(body=CANARY))
    ModerationState.objects.using(using).filter(pk=row.pk).update(**changes)
    return row


def beaten(seconds: float, name: str = "sweep") -> None:
    Heartbeat.objects.update_or_create(name=name)
    Heartbeat.objects.filter(name=name).update(beat_at=ago(seconds))


def job(**changes: Any) -> BuildJob:
    category = Category.objects.create(name="scam", definition="d")
    build.import_samples(category, b'{"text": "x"}', filename="s", by="")
    made = build.start(build.freeze(category, by=""), by="")
    BuildJob.objects.filter(pk=made.pk).update(**changes)
    return made


def version(**changes: Any) -> CategoryVersion:
    category = Category.objects.create(name="scam", definition="d")
    build.import_samples(category, b'{"text": "x"}', filename="s", by="")
    made = build.freeze(category, by="")
    CategoryVersion.objects.filter(pk=made.pk).update(**changes)
    return made


def active(**changes: Any) -> None:
    made = version(status="ready", **changes)
    Category.objects.update(active_version=made)


def deleting(since: float, due: float) -> None:
    version(status="deleting", removal_since=ago(since), removal_due_at=ago(due))


def breaker(**changes: Any) -> None:
    ProviderHealth.objects.create(provider="default", feature="text", **changes)


# --- What breaks each -------------------------------------------------------------

SAME_AGE = {"first_pending_at": ago(300)}
OLD = {"created_at": ago(90_000)}
Break = Callable[[str], Any]
#: What breaks a promise, and the number it then says.
BREAKS: list[tuple[str, Break, float]] = [
    ("expired_leases", lambda u: state(u, state="leased", lease_until=ago(300)), 1),
    ("oldest_wait", lambda u: state(u, first_pending_at=ago(301)), 301),
    (
        "heartbeat",
        lambda u: (beaten(250), beaten(9999, "drain"), state(u, **SAME_AGE)),
        250,
    ),
    ("swept", lambda u: (beaten(10, "drain"), state(u, created_at=ago(3700))), 0),
    ("open_breakers", lambda u: breaker(state="latched"), 1),
    ("open_breakers", lambda u: breaker(state="open", open_until=ago(-30)), 1),
    # It is asked again with the next text: seconds ago is as good as now.
    ("open_breakers", lambda u: breaker(state="open", open_until=ago(30)), 1),
    ("builds", lambda u: job(status="needs_attention"), 1),
    ("builds", lambda u: job(**OLD, overdue_at=None, lease_until=ago(-60)), 1),
    ("builds", lambda u: job(overdue_at=ago(1), lease_until=ago(-60)), 1),
    ("builds", lambda u: job(next_poll_at=ago(300)), 1),
    ("gone_versions", lambda u: active(gone_at=ago(60)), 1),
    ("removals", lambda u: version(status="delete_failed"), 1),
    ("removals", lambda u: deleting(90_000, -60), 1),
    ("removals", lambda u: deleting(600, 300), 1),
]
#: What looks like it and is none.
HOLDS: list[tuple[str, Break, float | None]] = [
    ("expired_leases", lambda u: state(u, state="leased", lease_until=ago(60)), 0),
    ("expired_leases", lambda u: state(u, state="done", lease_until=ago(300)), 0),
    ("oldest_wait", lambda u: state(u, first_pending_at=ago(299)), 299),
    (
        "oldest_wait",
        lambda u: state(
            u, first_pending_at=ago(999), decision="allow", decided_generation=1
        ),
        0,
    ),
    ("oldest_wait", lambda u: state(u, first_pending_at=ago(999), priority=20), 0),
    ("bulk_backlog", lambda u: state(u, priority=20), 1),
    ("bulk_backlog", lambda u: state(u, priority=10), 0),
    ("heartbeat", lambda u: state(u, first_pending_at=ago(200)), None),
    ("heartbeat", lambda u: beaten(9999), 9999),
    ("heartbeat", lambda u: (beaten(200), state(u, **SAME_AGE)), 200),
    ("heartbeat", lambda u: (beaten(200, "drain"), state(u, **SAME_AGE)), 200),
    (
        "heartbeat",
        lambda u: (state(u, **SAME_AGE), Policy.objects.update(mode="off")),
        None,
    ),
    ("swept", lambda u: state(u, created_at=ago(3500)), 0),
    ("swept", lambda u: (beaten(9999), state(u, created_at=ago(3700))), 1),
    ("open_breakers", lambda u: breaker(state="closed"), 0),
    ("open_breakers", lambda u: breaker(state="half_open"), 0),
    ("open_breakers", lambda u: breaker(state="open", open_until=ago(999)), 0),
    ("open_breakers", lambda u: breaker(state="latched", credential="former"), 0),
    ("gone_versions", lambda u: active(), 0),
    ("gone_versions", lambda u: version(status="ready", gone_at=ago(60)), 0),
    ("builds", lambda u: job(), 0),
    # Somebody tried it again yesterday.
    ("builds", lambda u: job(**OLD, lease_until=ago(-60)), 0),
    ("builds", lambda u: job(next_poll_at=ago(300), lease_until=ago(-60)), 0),
    ("removals", lambda u: deleting(80_000, 60), 0),
    ("removals", lambda u: version(status="deleted"), 0),
    ("exhausted", lambda u: state(u, state="exhausted"), 1),
]


@pytest.mark.parametrize(("name", "break_it", "value"), BREAKS)
def test_a_broken_promise_fails(
    using: str, name: str, break_it: Break, value: float
) -> None:
    assert fact(name, using).ok
    break_it(using)
    found = fact(name, using)
    assert not found.ok
    assert found.value == pytest.approx(value, abs=5)
    assert CANARY not in found.words
    assert found.database == (using if name in ROW_FACTS else "")


@pytest.mark.parametrize(("name", "do", "value"), HOLDS)
def test_what_looks_like_it_does_not(
    using: str, name: str, do: Break, value: float | None
) -> None:
    do(using)
    found = fact(name, using)
    assert found.ok, found
    assert found.value == (value if value is None else pytest.approx(value, abs=5))


def test_every_promise_has_a_case() -> None:
    # Two have a test of their own; two fail nobody.
    own = {"missing_constraints", "coverage_incomplete", "bulk_backlog", "exhausted"}
    assert {name for name, *_ in BREAKS} | own == {*ROW_FACTS, *SITE_FACTS}


def test_the_constraints_are_there_and_one_that_lacks_is_named(
    using: str, monkeypatch: Any
) -> None:
    assert fact("missing_constraints", using).value == 0
    monkeypatch.setitem(
        invariants.CONSTRAINTS, "contentsafety_dropped", (ModerationState, "that")
    )
    found = fact("missing_constraints", using)
    assert (found.ok, found.value) == (False, 1)
    assert "contentsafety_dropped" in found.words


def test_coverage_names_what_was_not_seen_and_fails_nobody(using: str) -> None:
    labels = sorted(m.label for m in registry if "comments" in m.documents)
    for label in labels[1:]:
        Coverage.objects.using(using).create(
            model=label, policy="comments", completed_at=DbNow()
        )
    Coverage.objects.using(using).create(model=labels[0], policy="comments")
    found = fact("coverage_incomplete", using)
    assert (found.ok, found.value) == (True, 1)
    assert f"{labels[0]} (comments)" in found.words
    Coverage.objects.using(using).update(completed_at=DbNow())
    assert fact("coverage_incomplete", using).value == 0


def test_a_dead_sweeper_is_seen_within_five_minutes(using: str) -> None:
    """Threat 27: whoever kept the texts going dies, and a text comes in."""
    upkeep.tick(aliases=[using])
    assert fact("heartbeat", using).ok
    five_minutes = timedelta(minutes=5)
    Heartbeat.objects.update(beat_at=DbNow() - five_minutes)
    state(using, first_pending_at=DbNow() - five_minutes)
    assert not fact("heartbeat", using).ok


def test_a_database_that_is_down_is_a_fact(monkeypatch: Any, settings: Any) -> None:
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    monkeypatch.setattr(connections["other"], "ensure_connection", refuse)
    facts = invariants.survey()
    (down,) = [found for found in facts if found.database == "other"]
    assert (down.name, down.ok, down.value) == ("database_up", False, 0)
    assert "hunter2" not in down.words
    assert any(found.database == "default" for found in facts)


def refuse() -> None:
    raise OperationalError("password=hunter2")


def fail(*args: str) -> Fact:
    raise DatabaseError("password=hunter2")


@pytest.mark.parametrize("name", [*ROW_FACTS, *SITE_FACTS])
def test_what_cannot_be_asked_fails(monkeypatch: Any, name: str) -> None:
    monkeypatch.setitem(ROW_FACTS if name in ROW_FACTS else SITE_FACTS, name, fail)
    found = fact(name)
    assert (found.ok, found.value) == (False, None)
    assert "DatabaseError" in found.words
    assert "hunter2" not in found.words


def test_asking_costs_the_same_however_much_waits(using: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connections[using]) as context:
            invariants.invariants(using)
        return len(context)

    before = queries()
    for _ in range(5):
        state(using)
    assert queries() == before


# --- The command ------------------------------------------------------------------


def check(*words: str) -> tuple[str, str]:
    """What it prints, and what it fails with."""
    out = StringIO()
    try:
        call_command("contentsafety_check", *words, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_the_check_is_a_table() -> None:
    table, failed = check()
    lines = table.splitlines()
    assert failed == ""
    assert [line.split()[:3] for line in lines] == [
        ["ok", fact.database or "(site)", fact.name] for fact in invariants.survey()
    ]
    # The words stand in one column.
    answers = next(line for line in lines if "database_up" in line)
    assert lines[1].index(fact("builds").words) == answers.index("It answers.")


def test_one_that_fails_is_the_exit_code() -> None:
    state("default", first_pending_at=ago(900))
    beaten(1)
    table, failed = check()
    (line,) = [line for line in table.splitlines() if line.startswith("FAIL")]
    assert line.split()[1:5] == ["default", "oldest_wait", "900", "s"]
    assert failed == f"1 of {len(table.splitlines())} don't hold."
    assert CANARY not in table


def test_the_check_as_json() -> None:
    breaker(state="latched")
    printed, failed = check("--json")
    rows = json.loads(printed)
    assert failed
    assert [row["name"] for row in rows if not row["ok"]] == ["open_breakers"]
    assert rows[0].keys() == {"name", "ok", "value", "words", "unit", "database"}


def test_the_check_of_one_database() -> None:
    table, _ = check("--database", "other")
    assert {line.split()[1] for line in table.splitlines()} == {"(site)", "other"}
    assert "There is no database 'nope'" in check("--database", "nope")[1]


# --- Over HTTP --------------------------------------------------------------------

PAGES = ["/contentsafety/health/", "/contentsafety/metrics/"]


def user(**flags: bool) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("someone", **flags))
    return client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("page", PAGES)
def test_staff_may_ask_and_nobody_else(page: str) -> None:
    assert Client().get(page).status_code == 403
    assert user().get(page).status_code == 403
    User.objects.update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get())
    assert client.get(page).status_code == 200
    User.objects.update(is_active=False)
    assert client.get(page).status_code == 403


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("configured", "headers", "status"),
    [
        (TOKEN, bearer(TOKEN), 200),
        (TOKEN, {"Authorization": f"bearer  {TOKEN}"}, 200),
        (TOKEN, {}, 403),
        (TOKEN, bearer(TOKEN[:-1]), 403),
        (TOKEN, bearer(TOKEN + "x"), 403),
        (TOKEN, bearer("ü"), 403),
        (TOKEN, {"Authorization": TOKEN}, 403),
        (TOKEN, {"Authorization": f"Basic {TOKEN}"}, 403),
        (None, bearer("None"), 403),
        (None, bearer(""), 403),
        ("", bearer(""), 403),
        ("", {}, 403),
    ],
)
def test_a_token_opens_it(
    settings: Any, page: str, configured: Any, headers: Any, status: int
) -> None:
    settings.CONTENTSAFETY_HEALTH_TOKEN = configured
    # Where every page needs a log-in, a monitor still has none.
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    answer = Client().get(page, headers=headers)
    assert answer.status_code == status
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.fixture
def monitor(settings: Any) -> Client:
    settings.CONTENTSAFETY_HEALTH_TOKEN = TOKEN
    return Client(headers=bearer(TOKEN))


def test_health_is_200_or_503_and_the_same_facts(monitor: Client) -> None:
    answer = monitor.get(PAGES[0])
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    state("default", first_pending_at=ago(900))
    answer = monitor.get(PAGES[0])
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert [(row["name"], row["ok"]) for row in answer.json()["checks"]] == [
        (fact.name, fact.ok) for fact in invariants.survey()
    ]


def test_no_text_and_no_object_is_told(monitor: Client) -> None:
    obj = Comment(pk=987_654_321, body=CANARY)
    obj.save()
    ModerationState.objects.update(state="exhausted", last_error_code=CANARY)
    job(status="needs_attention", error_message=CANARY)
    for page in PAGES:
        told = monitor.get(page).content.decode()
        assert CANARY not in told
        assert str(obj.pk) not in told


@pytest.mark.parametrize("page", PAGES)
def test_a_monitor_only_reads(monitor: Client, page: str) -> None:
    assert monitor.head(page).status_code == 200
    assert monitor.post(page).status_code == 405


def test_a_database_that_is_down_is_told(
    monitor: Client, monkeypatch: Any, settings: Any
) -> None:
    settings.CONTENTSAFETY_DATABASES = ["default", "other"]
    monkeypatch.setattr(connections["other"], "ensure_connection", refuse)
    answer = monitor.get(PAGES[0])
    assert answer.status_code == 503
    last = answer.json()["checks"][-1]
    assert (last["name"], last["database"], last["ok"]) == (
        "database_up",
        "other",
        False,
    )


def test_metrics_are_the_same_facts(monitor: Client) -> None:
    state("default", first_pending_at=ago(900))
    beaten(1)
    answer = monitor.get(PAGES[1])
    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }
    for found in invariants.survey():
        where = ("database", found.database)
        ok = samples["contentsafety_check_ok", ("check", found.name), where]
        assert ok == found.ok
        suffix = "_seconds" if found.unit == "seconds" else ""
        value = samples[f"contentsafety_{found.name}{suffix}", where]
        assert value == pytest.approx(found.value, abs=5)


def test_what_is_not_known_has_no_number(monitor: Client) -> None:
    """A heartbeat that never was isn't one of zero seconds ago."""
    told = monitor.get(PAGES[1]).content.decode()
    assert "contentsafety_heartbeat_seconds{" not in told
    assert 'contentsafety_check_ok{check="heartbeat",database="default"} 1.0' in told


def test_a_site_s_own_registry_may_have_them_and_registering_asks_nothing() -> None:
    own = CollectorRegistry()
    with CaptureQueriesContext(connections["default"]) as queries:
        own.register(ContentSafetyCollector())
    assert len(queries) == 0
    name, labels = "contentsafety_builds", {"database": ""}
    assert own.get_sample_value(name, labels) == 0


def test_without_the_extra_the_page_says_what_to_install(
    monitor: Client, monkeypatch: Any
) -> None:
    monkeypatch.delitem(sys.modules, "django_contentsafety.metrics")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answer = monitor.get(PAGES[1])
    assert answer.status_code == 501
    assert "django-contentsafety[metrics]" in answer.content.decode()
