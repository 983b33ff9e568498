"""A site's history of any length, written by the database itself.

Every object has the same text, so that one hash fits them all. The newest few hundred
rows are what a site has on its hands, as many on a long history as on a short one.
"""

from __future__ import annotations

from django.db import connection

#: What is on hand at any size, counted from the newest row back.
DUE, RETRIED, LOST, EXHAUSTED = 200, 200, 20, 50
UNDECIDED = DUE + RETRIED + LOST + EXHAUSTED
#: Cases that wait for a person; older ones are closed.
HELD = 30
#: Results that have just passed their retention: a day's.
A_DAY = 5_000

TITLE, BODY = "A message", "What a lovely place to stay, we will come again."

SERIES = {
    "postgresql": "(SELECT n FROM generate_series(1, {size}) n) s",
    "mysql": "(SELECT seq AS n FROM seq_1_to_{size}) s",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
    "WHERE n < {size}) SELECT n FROM c) s",
}
#: A time so many seconds before now; negative = to come.
AGO = {
    "postgresql": "now() - ({seconds}) * interval '1 second'",
    "mysql": "UTC_TIMESTAMP(6) - INTERVAL ({seconds}) SECOND",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', "
    "(-({seconds})) || ' seconds')",
}
TEXT = {
    "postgresql": "n::text",
    "mysql": "CAST(n AS CHAR)",
    "sqlite": "CAST(n AS TEXT)",
}


def write(size: int, *, in_a_round: bool = False) -> None:
    """Replace what is there by ``size`` objects, with their states and results.

    ``in_a_round``: all that was decided waits to be analyzed again.
    """
    from django_contentsafety.documents import Document
    from django_contentsafety.models import Coverage, DbNow, Heartbeat

    from .site.moderation import POLICY

    document = Document((("title", TITLE), ("body", BODY)))
    content_hash, hash_key = document.hash()
    for table in ("bench_moderated", *ROWS):
        _empty(table)
    vendor = connection.vendor
    numbers = SERIES[vendor].format(size=size)

    def ago(seconds: str) -> str:
        return AGO[vendor].format(seconds=seconds)

    # Decided in the order of their keys, over 400 days.
    decided = ago(f"({size} - n) * {400 * 86_400 / size} + 3600")
    place = f"({size} - n)"
    due, retried = DUE, DUE + RETRIED
    lost = retried + LOST
    done = "'pending'" if in_a_round else "'done'"
    _run(
        "INSERT INTO bench_moderated (id, title, body, views) "
        f"SELECT n, %s, %s, 0 FROM {numbers}",
        [TITLE, BODY],
    )
    undecided = f"{place} < {UNDECIDED}"
    state = (
        f"CASE WHEN {place} < {retried} THEN 'pending' WHEN {place} < {lost} "
        f"THEN 'leased' WHEN {undecided} THEN 'exhausted' ELSE {done} END"
    )
    decision = (
        f"CASE WHEN {undecided} THEN '' WHEN {place} < {UNDECIDED + HELD} "
        "THEN 'review' WHEN n % 100 < 97 THEN 'allow' ELSE 'block' END"
    ).replace("%", "%%")
    by = (
        f"CASE WHEN {undecided} THEN '' WHEN n % 100 = 98 THEN 'person' "
        "ELSE 'machine' END"
    ).replace("%", "%%")
    columns = {
        "id": "n",
        "model": "'bench.moderated'",
        "object_key": TEXT[vendor],
        "policy": f"'{POLICY}'",
        "generation": "1",
        "round": "1" if in_a_round else "0",
        "content_hash": f"'{content_hash}'",
        "hash_key": f"'{hash_key}'",
        "state": state,
        "exhausted_reason": f"CASE WHEN {state} = 'exhausted' THEN 'bug' ELSE '' END",
        "decision": decision,
        "decided_generation": f"CASE WHEN {undecided} THEN 0 ELSE 1 END",
        "decided_by": by,
        "decided_at": f"CASE WHEN {undecided} THEN NULL ELSE {decided} END",
        "policy_version": "1",
        "author_key": "''",
        "priority": f"CASE WHEN {undecided} THEN 0 ELSE {20 if in_a_round else 0} END",
        "available_at": f"CASE WHEN {place} >= {due} AND {place} < {retried} "
        f"THEN {ago('-86400')} ELSE {ago('60')} END",
        "first_pending_at": f"CASE WHEN {undecided} THEN {ago('60')} "
        f"ELSE {ago('60') if in_a_round else decided} END",
        "lease_token": f"CASE WHEN {state} = 'leased' THEN 'dead' ELSE '' END",
        "lease_until": f"CASE WHEN {state} = 'leased' THEN {ago('3600')} END",
        "attempts": f"CASE WHEN {place} >= {due} AND {undecided} THEN 1 ELSE 0 END",
        "crashes": "0",
        "last_error_code": "''",
        "created_at": decided,
    }
    _insert("contentsafety_moderationstate", columns, numbers)
    columns = {
        "id": "n",
        "model": "'bench.moderated'",
        "object_key": TEXT[vendor],
        "policy": f"'{POLICY}'",
        "state_id": "n",
        "generation": "1",
        "round": "0",
        "source": "'default'",
        "scores": """'[{"category": "crypto-scam", "score": 0.01}]'""",
        "hits": "'[]'",
        "spans": "'[]'",
        "thresholds": "'[]'",
        "versions": """'{"crypto-scam": 1}'""",
        "policy_version": "1",
        "request_id": "''",
        "latency_ms": "1",
        "is_stale": "false",
        # Keys grow with time: a day's that may go, then what must stay.
        "created_at": f"CASE WHEN n <= {A_DAY} THEN {ago('31 * 86400')} "
        f"ELSE {ago(f'({size} - n) * {29 * 86_400 / size}')} END",
    }
    if vendor == "postgresql":
        for name in ("scores", "hits", "spans", "thresholds", "versions"):
            columns[name] += "::jsonb"
    _insert("contentsafety_moderationresult", columns, numbers)
    Heartbeat.objects.all().delete()
    Coverage.objects.all().delete()
    Coverage.objects.create(
        model="bench.moderated", policy=POLICY, completed_at=DbNow()
    )
    settle()


ROWS = ("contentsafety_moderationstate", "contentsafety_moderationresult")


def settle() -> None:
    """As the database is some time after: its statistics and its pages in order."""
    if connection.vendor == "postgresql":
        _run("VACUUM (ANALYZE)")
        _run("CHECKPOINT")
    elif connection.vendor == "mysql":
        for table in ("bench_moderated", *ROWS):
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE TABLE {table}")
                cursor.fetchall()
    else:
        _run("ANALYZE")


def _insert(table: str, columns: dict[str, str], numbers: str) -> None:
    names, values = ", ".join(columns), ", ".join(columns.values())
    _run(f"INSERT INTO {table} ({names}) SELECT {values} FROM {numbers}", [])


def _empty(table: str) -> None:
    _run(
        f"DELETE FROM {table}" if connection.vendor == "sqlite" else f"TRUNCATE {table}"
    )


def _run(statement: str, params: list[str] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
