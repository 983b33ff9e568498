"""The promises as queries: what ``contentsafety_check``, health and metrics say.

Each reads an index or a few rows: asking costs the same on a long history. Words and
numbers name aliases and policies, never an object, never a text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import DurationField, ExpressionWrapper, F, Max, Min, Q

from ..conf import settings
from ..exceptions import InvalidProvider
from ..models import (
    Action,
    Coverage,
    DbNow,
    Heartbeat,
    ModerationResult,
    ModerationState,
    Policy,
    ProviderHealth,
)
from ..models.claims import BULK
from ..models.health import OPEN_CAP
from ..providers import providers
from ..registry import registry
from . import build_facts
from .facts import SWEEP_WITHIN, Fact
from .upkeep import answering

__all__ = [
    "ROW_FACTS",
    "SITE_FACTS",
    "SWEEP_WITHIN",
    "Fact",
    "invariants",
    "site_invariants",
    "survey",
]

#: A site that is older has to have been swept.
SETTLED = timedelta(hours=1)


def survey(aliases: Collection[str] | None = None) -> list[Fact]:
    """All facts: the site's, then those of ``aliases`` (all moderated ones)."""
    facts = site_invariants()
    for using in registry.databases() if aliases is None else aliases:
        facts += invariants(using)
    return facts


def invariants(using: str) -> list[Fact]:
    """What holds among the rows of ``using``. Never raises for a database's fault."""
    try:
        connections[using].ensure_connection()
    except DatabaseError as error:
        words = f"It can't be opened ({type(error).__name__}): nothing there is judged."
        down = Fact(name="database_up", ok=False, value=0, words=words)
        return [replace(down, database=using)]
    up = Fact(name="database_up", ok=True, value=1, words="It answers.")
    facts = [up, *(_ask(name, ask, using) for name, ask in ROW_FACTS.items())]
    return [replace(fact, database=using) for fact in facts]


def site_invariants() -> list[Fact]:
    """What holds in the site tables. Never raises for a database's fault."""
    return [_ask(name, ask) for name, ask in SITE_FACTS.items()]


def _ask(name: str, ask: Callable[..., Fact], *args: str) -> Fact:
    try:
        return ask(*args)
    except DatabaseError as error:
        words = f"It can't be asked ({type(error).__name__}): is everything migrated?"
        return Fact(name=name, ok=False, value=None, words=words)


def _expired_leases(using: str) -> Fact:
    states = ModerationState.objects.using(using)
    late = DbNow() - SWEEP_WITHIN
    count = states.filter(state="leased", lease_until__lt=late).count()
    words = (
        f"{count} texts are held by workers that died: no sweep frees them."
        if count
        else "No lease has outlived its worker and a sweep."
    )
    return Fact(name="expired_leases", ok=not count, value=count, words=words)


#: What the database itself holds to; one that lacks was dropped, or never migrated.
CONSTRAINTS = {
    "contentsafety_state_once": (ModerationState, "one state an object and policy"),
    "contentsafety_state_decided": (ModerationState, "no decision on a later text"),
    "contentsafety_result_once": (ModerationResult, "one verdict a source and round"),
    "contentsafety_action_once": (Action, "one action a kind and text"),
}


def _missing_constraints(using: str) -> Fact:
    connection = connections[using]
    found: set[str] = set()
    with connection.cursor() as cursor:
        for model in {model for model, _ in CONSTRAINTS.values()}:
            table = model._meta.db_table
            found |= set(connection.introspection.get_constraints(cursor, table))
    missing = sorted(CONSTRAINTS.keys() - found)
    words = (
        f"Missing: {', '.join(missing)}. Run migrate --database={using}, or put back "
        "what was dropped."
        if missing
        else f"Held by the database: {'; '.join(w for _, w in CONSTRAINTS.values())}."
    )
    name = "missing_constraints"
    return Fact(name=name, ok=not missing, value=len(missing), words=words)


def _oldest_wait(using: str) -> Fact:
    """Those of a bulk round wait their turn: they are another fact."""
    wait = _age(_undecided(using).filter(priority__lt=BULK), Min("first_pending_at"))
    seconds = wait.total_seconds() if wait else 0.0
    limit = settings.OUTAGE_AFTER
    words = (
        f"The oldest undecided text has waited for {seconds:.0f} s; the limit is "
        f"{limit} s (CONTENTSAFETY_OUTAGE_AFTER)."
        if wait
        else "No text waits for its first decision."
    )
    return Fact(
        name="oldest_wait",
        ok=seconds <= limit,
        value=seconds,
        unit="seconds",
        words=words,
    )


def _backlog(using: str) -> Fact:
    count = _undecided(using).filter(priority__gte=BULK).count()
    words = (
        f"{count} texts of bulk rounds and the reconciler wait their turn."
        if count
        else "No bulk round has texts that wait for their first decision."
    )
    return Fact(name="bulk_backlog", ok=True, value=count, words=words)


def _exhausted(using: str) -> Fact:
    count = ModerationState.objects.using(using).filter(state="exhausted").count()
    words = (
        f"{count} texts could not be checked and wait for a person."
        if count
        else "No text waits for a person because it could not be checked."
    )
    return Fact(name="exhausted", ok=True, value=count, words=words)


def _heartbeat(using: str) -> Fact:
    """Where nothing waits nobody has to come; any housekeeper will do."""
    age = _age(Heartbeat.objects.filter(name__in=["sweep", "drain"]), Max("beat_at"))
    states = ModerationState.objects.using(using)
    late = SWEEP_WITHIN
    # Not the oldest of them: one is enough, and a round's would all be read.
    waits = states.pending().filter(
        policy__in=answering(), first_pending_at__lt=DbNow() - late
    )
    ok = (age is not None and age <= late) or not waits.exists()
    seen = (
        "No sweep or drain was ever seen"
        if age is None
        else f"The last sweep or drain ended {age.total_seconds():.0f} s ago"
    )
    words = (
        f"{seen}."
        if ok
        else f"{seen}, and texts wait: run contentsafety_worker, contentsafety_sweep "
        "--once from cron, or Celery with beat."
    )
    value = None if age is None else age.total_seconds()
    return Fact(name="heartbeat", ok=ok, value=value, unit="seconds", words=words)


def _coverage(using: str) -> Fact:
    live = set(Policy.objects.filter(mode="live").values_list("slug", flat=True))
    named = {(m.label, slug) for m in registry for slug in m.documents if slug in live}
    complete = Coverage.objects.using(using).filter(completed_at__isnull=False)
    missing = sorted(named - set(complete.values_list("model", "policy")))
    words = (
        "Not every object has been seen of: "
        + ", ".join(f"{label} ({slug})" for label, slug in missing)
        + ". Until then unknown ones are shown as the policy says."
        if missing
        else "Live policies have seen every object."
    )
    name = "coverage_incomplete"
    return Fact(name=name, ok=True, value=len(missing), words=words)


def _breakers() -> Fact:
    """A row of a former key, or one that nobody asks any more, alarms nobody."""
    shut = ProviderHealth.objects.filter(
        Q(state="latched") | Q(state="open", open_until__gte=DbNow() - OPEN_CAP)
    )
    found = []
    for row in shut.order_by("provider", "feature"):
        try:
            if providers[row.provider].credential == row.credential:
                found.append(f"{row} ({row.state}, {row.last_error_code or 'no code'})")
        except InvalidProvider:
            continue  # No longer configured; else a system check says it.
    words = (
        f"Not asked, because they fail: {', '.join(found)}."
        if found
        else "Every provider may be asked."
    )
    return Fact(name="open_breakers", ok=not found, value=len(found), words=words)


def _swept(using: str) -> Fact:
    """Without a sweep a site seems well: what is missing shows weeks later."""
    seen = Heartbeat.objects.filter(name="sweep").exists()
    states = ModerationState.objects.using(using)
    first = states.order_by("pk").values_list("created_at", DbNow()).first()
    ok = seen or first is None or first[1] - first[0] < SETTLED
    words = (
        "No sweep was ever seen: nobody finds what signals miss, frees what dead "
        "workers held, or deletes what is past its time. Run contentsafety_worker, "
        "contentsafety_sweep --once from cron, or Celery with beat."
    )
    if ok:
        words = "A sweep was seen." if seen else "No sweep was seen yet."
    return Fact(name="swept", ok=ok, value=int(seen), words=words)


ROW_FACTS: dict[str, Callable[[str], Fact]] = {
    "expired_leases": _expired_leases,
    "missing_constraints": _missing_constraints,
    "oldest_wait": _oldest_wait,
    "bulk_backlog": _backlog,
    "exhausted": _exhausted,
    "heartbeat": _heartbeat,
    "swept": _swept,
    "coverage_incomplete": _coverage,
}
SITE_FACTS: dict[str, Callable[[], Fact]] = {
    "open_breakers": _breakers,
    "builds": build_facts.builds,
    "removals": build_facts.removals,
    "gone_versions": build_facts.gone_versions,
}


def _undecided(using: str) -> Any:
    return (
        ModerationState.objects.using(using)
        .pending()
        .filter(policy__in=answering(), decided_generation__lt=F("generation"))
    )


def _age(rows: Any, since: Any) -> timedelta | None:
    """How long ago the aggregate ``since`` was; None where there are no rows."""
    age = ExpressionWrapper(DbNow() - since, output_field=DurationField())
    found: timedelta | None = rows.aggregate(age=age)["age"]
    return found
