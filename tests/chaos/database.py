"""A database of this run's own, made before and dropped afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ

from tests import servers

KINDS = ("postgresql", "mariadb", "sqlite")


def settings_for(kind: str, name: str, folder: Path) -> dict[str, Any]:
    """Django's settings of it."""
    if kind == "sqlite":
        pragmas = "PRAGMA synchronous=OFF;PRAGMA journal_mode=WAL;"
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "chaos.sqlite3"),
            "OPTIONS": {**options, "init_command": pragmas},
        }
    config = dict(environ.Env.db_url_config(servers.url(kind)))
    config["NAME"] = name
    if kind == "mariadb":
        config["OPTIONS"] = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
        }
    return config


def create(kind: str, name: str) -> str:
    """Make it; return the server's version."""
    if kind == "sqlite":
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"
    return _execute(kind, f"CREATE DATABASE {name}")


def drop(kind: str, name: str) -> None:
    if kind == "postgresql":
        _execute(kind, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    elif kind == "mariadb":
        _execute(kind, f"DROP DATABASE IF EXISTS {name}")


def _execute(kind: str, statement: str) -> str:
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(servers.url(kind), autocommit=True) as connection:
            connection.execute(statement)
            number = connection.info.server_version
        return f"PostgreSQL {number // 10000}.{number % 10000}"
    import MySQLdb

    connection = MySQLdb.connect(**servers._parts(servers.url(kind)))
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return f"MariaDB {connection.get_server_info()}"
    finally:
        connection.close()
