"""A database of its own for each run, and gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import environ

from tests import servers

#: In the order in which they are measured.
NAMES = ("sqlite", "postgresql", "mariadb")


def answering(wanted: list[str]) -> list[str]:
    """Those of ``wanted`` that can be measured here; says why of the others."""
    found = []
    for name in wanted:
        reason = "" if name == "sqlite" else servers.why_not(name)
        if reason:
            print(f"{name}: left out: {reason}")
        else:
            found.append(name)
    return found


@contextmanager
def made(name: str) -> Iterator[None]:
    """Make a database on ``name``, set Django up on it and migrate; drop it at the end.

    Once a process. Processes that are started meanwhile are on it as well.
    """
    own = f"contentsafety_bench_{os.getpid()}"
    with _created(name, own) as entry:
        os.environ["BENCH_DATABASE"] = json.dumps(entry)
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


def version() -> str:
    """The server's own words."""
    from django.db import connection

    column = "sqlite_version()" if connection.vendor == "sqlite" else "version()"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}")
        return str(cursor.fetchone()[0]).split(" (")[0]


#: What a server calls the memory in which it keeps pages of tables.
_CACHES = {"postgresql": "shared_buffers", "mysql": "innodb_buffer_pool_size"}


def cache_mb() -> int | None:
    """Megabytes in which the server keeps pages; None where it has no such setting."""
    from django.db import connection

    setting = _CACHES.get(connection.vendor)
    if setting is None:
        return None
    if connection.vendor == "postgresql":
        query = f"SELECT pg_size_bytes(current_setting('{setting}'))"
    else:
        query = f"SELECT @@{setting}"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0]) // 2**20


@contextmanager
def _created(name: str, own: str) -> Iterator[dict[str, Any]]:
    if name == "sqlite":
        folder = Path(tempfile.mkdtemp(prefix=own))
        # As Django's documentation recommends it for a site in production.
        options = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        }
        file = str(folder / "db.sqlite3")
        try:
            yield {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": file,
                "OPTIONS": options,
            }
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    entry = dict(environ.Env.db_url_config(servers.url(name)))
    create, drop = f"CREATE DATABASE {own}", f"DROP DATABASE {own}"
    if name == "mariadb":
        create += " CHARACTER SET utf8mb4"
        entry["OPTIONS"] = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
        }
    else:
        drop += " WITH (FORCE)"
    _execute(name, create)
    try:
        yield {**entry, "NAME": own}
    finally:
        _execute(name, drop)


def _execute(name: str, statement: str) -> None:
    if name == "postgresql":
        import psycopg

        with psycopg.connect(servers.url(name), autocommit=True) as connection:
            connection.execute(statement)
        return
    import MySQLdb

    place = environ.Env.db_url_config(servers.url(name))
    with closing(
        MySQLdb.connect(
            host=place["HOST"],
            port=int(place["PORT"] or 3306),
            user=place["USER"],
            password=place["PASSWORD"],
        )
    ) as connection:
        connection.cursor().execute(statement)
