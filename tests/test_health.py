"""Quota and breaker: rows that any number of processes share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings

from django_contentsafety.models import DbNow, ProviderBudget, ProviderHealth
from django_contentsafety.models.budgets import Budget
from django_contentsafety.models.health import CLOSE_AFTER, TRIP_FAILURES
from django_contentsafety.providers import Limit

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

BUDGET = Budget("azure", "abc", "text")
#: Slow enough that nothing grows back while a test runs.
SLOW = Limit(rate=0.001, burst=10)


class To:
    """A router that puts the site tables into one database."""

    alias = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return self.alias

    db_for_write = db_for_read


@contextmanager
def site_tables_in(alias: str) -> Iterator[None]:
    router = To()
    router.alias = alias
    with override_settings(DATABASE_ROUTERS=[router]):
        yield


@pytest.fixture(autouse=True)
def site_tables(using: str) -> Iterator[None]:
    with site_tables_in(using):
        yield


def reserve(requests: int = 1, limit: Limit = SLOW) -> float:
    return ProviderBudget.objects.reserve(BUDGET, limit, requests)


# --- Quota ------------------------------------------------------------------------


def test_a_burst_is_granted_and_then_no_more() -> None:
    assert [reserve() for _ in range(10)] == [0.0] * 10
    # One request grows back in a thousand seconds.
    assert 990 < reserve() <= 1000


def test_several_at_once_count_as_several() -> None:
    assert reserve(7) == 0.0
    assert reserve(4) > 0
    assert reserve(3) == 0.0


def test_more_than_a_burst_is_granted_when_all_is_free() -> None:
    """A long text may cost more requests than the burst: it must not wait for ever."""
    assert reserve(25) == 0.0
    assert reserve() > 15_000


def test_a_refund_gives_back() -> None:
    reserve(10)
    ProviderBudget.objects.refund(BUDGET, SLOW, 4)
    assert reserve(4) == 0.0
    assert reserve() > 0


def test_a_denied_request_takes_nothing() -> None:
    reserve(10)
    before = ProviderBudget.objects.get().arrival_at
    assert reserve() > 0
    assert ProviderBudget.objects.get().arrival_at == before


def test_a_pause_holds_everybody_back() -> None:
    ProviderBudget.objects.pause(BUDGET, 60)
    assert 50 < reserve() <= 60
    ProviderBudget.objects.update(paused_until=DbNow() - timedelta(seconds=1))
    assert reserve() == 0.0


def test_a_month_has_its_own_limit() -> None:
    limit = Limit(rate=1000, burst=1000, per_month=5)
    assert [reserve(1, limit) for _ in range(5)] == [0.0] * 5
    assert reserve(1, limit) > 1
    # Last month's count is nobody's.
    ProviderBudget.objects.update(month="2020-01-01")
    assert reserve(5, limit) == 0.0
    assert ProviderBudget.objects.get().month_count == 5


def test_budgets_are_kept_apart() -> None:
    reserve(10)
    other = Budget("azure", "abc", "custom")
    assert ProviderBudget.objects.reserve(other, SLOW, 10) == 0.0


def test_threads_never_get_more_than_the_limit(using: str) -> None:
    """Rate and burst, over all of them together."""
    limit = Limit(rate=50, burst=5)
    reserve(1, limit)
    granted: list[float] = []
    started = time.monotonic()

    def ask() -> None:
        while time.monotonic() - started < 1:
            if ProviderBudget.objects.reserve(BUDGET, limit, 1) == 0.0:
                granted.append(time.monotonic())
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started
    assert 0 < len(granted) <= limit.burst + limit.rate * elapsed + 1


# --- Breaker ----------------------------------------------------------------------


def fail(times: int, token: str = "") -> None:
    for _ in range(times):
        ProviderHealth.objects.failed(BUDGET, token, "server")


def may_call() -> tuple[float, str]:
    return ProviderHealth.objects.may_call(BUDGET)


def state() -> str:
    return ProviderHealth.objects.get().state


def time_passes() -> None:
    ProviderHealth.objects.update(open_until=DbNow() - timedelta(seconds=1))


def test_a_healthy_provider_costs_no_row() -> None:
    assert may_call() == (0.0, "")
    ProviderHealth.objects.succeeded(BUDGET, "")
    assert not ProviderHealth.objects.exists()


def test_it_opens_at_the_tenth_failure() -> None:
    fail(TRIP_FAILURES - 1)
    assert may_call() == (0.0, "")
    fail(1)
    assert state() == "open"
    assert 25 < may_call()[0] <= 30


def test_failures_counted_at_once_open_it_for_no_longer(using: str) -> None:
    """Another process counts the tenth while this one, at nine, looks what to open."""
    fail(TRIP_FAILURES - 2)
    looks: list[str] = []

    def count_another(execute: Any, sql: str, *rest: Any) -> Any:
        done = execute(sql, *rest)
        if sql.startswith("UPDATE") and "open_until" in sql.partition("WHERE")[0]:
            looks.append(sql)
            if len(looks) == 1:
                ProviderHealth.objects.update(failures=TRIP_FAILURES)
        return done

    with connections[using].execute_wrapper(count_another):
        fail(1)
    assert looks
    fail(1)
    assert state() == "open"
    assert 25 < may_call()[0] <= 30


def test_failures_among_many_good_calls_don_t_open_it() -> None:
    fail(1)
    ProviderHealth.objects.succeeded(BUDGET, "", calls=TRIP_FAILURES * 2)
    fail(TRIP_FAILURES)
    assert state() == "closed"


@pytest.mark.parametrize("begins", ["with the first batch", "anew"])
def test_a_window_begins_with_the_whole_batch(begins: str) -> None:
    """Sixteen requests of fifty failed: that is no outage, whenever it is counted."""
    if begins == "anew":
        fail(1)
        long_ago = DbNow() - timedelta(seconds=61)
        ProviderHealth.objects.update(window_started_at=long_ago)
    ProviderHealth.objects.failed(BUDGET, "", "server", 16, good=34, answers=34)
    row = ProviderHealth.objects.get()
    assert (row.state, row.calls, row.failures) == ("closed", 50, 16)


def test_old_failures_are_forgotten() -> None:
    fail(TRIP_FAILURES - 1)
    ProviderHealth.objects.update(window_started_at=DbNow() - timedelta(seconds=61))
    fail(1)
    assert (state(), ProviderHealth.objects.get().failures) == ("closed", 1)


def test_one_prober_in_the_fleet() -> None:
    fail(TRIP_FAILURES)
    time_passes()
    wait, token = may_call()
    assert (wait, bool(token)) == (0.0, True)
    assert may_call() == (1.0, "")
    # A prober that died is replaced.
    ProviderHealth.objects.update(probe_until=DbNow() - timedelta(seconds=1))
    assert may_call()[1] not in ("", token)


def test_good_probes_close_it() -> None:
    fail(TRIP_FAILURES)
    for _ in range(CLOSE_AFTER):
        time_passes()
        _, token = may_call()
        ProviderHealth.objects.succeeded(BUDGET, token)
    assert state() == "closed"
    assert may_call() == (0.0, "")


def test_a_bad_probe_opens_it_for_longer() -> None:
    waits = []
    fail(TRIP_FAILURES)
    for _ in range(7):
        waits.append(round(may_call()[0]))
        time_passes()
        _, token = may_call()
        fail(1, token)
    assert waits == [30, 60, 120, 240, 300, 300, 300]


def test_a_prober_that_lost_its_turn_decides_nothing() -> None:
    fail(TRIP_FAILURES)
    time_passes()
    _, late = may_call()
    ProviderHealth.objects.update(probe_until=DbNow() - timedelta(seconds=1))
    may_call()
    fail(1, late)
    ProviderHealth.objects.succeeded(BUDGET, late)
    row = ProviderHealth.objects.get()
    assert (row.state, row.successes) == ("half_open", 0)


def test_a_wrong_setting_opens_it_at_once() -> None:
    ProviderHealth.objects.open_now(BUDGET, "config")
    assert 290 < may_call()[0] <= 300


def test_a_retired_service_stays_shut() -> None:
    ProviderHealth.objects.latch(BUDGET, "gone")
    time_passes()
    assert may_call() == (300.0, "")
    ProviderHealth.objects.open_now(BUDGET, "config")
    assert state() == "latched"
