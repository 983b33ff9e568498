"""Which servers the tests may talk to, and whether each lets us in.

A server is tried once a process, with the driver the tests use: a port that is
open to somebody else's service doesn't count as an answer.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

#: Seconds to wait for a connection.
PATIENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    label: str
    variable: str
    default: str
    driver: str
    remedy: str = ""

    @property
    def url(self) -> str:
        return os.environ.get(self.variable) or self.default

    @property
    def place(self) -> str:
        """Name the address without the password that the URL may hold."""
        parts = urlsplit(self.url)
        return parts.netloc.rpartition("@")[2] or self.url


SERVERS = {
    "postgresql": Server(
        label="PostgreSQL",
        variable="TEST_POSTGRESQL_URL",
        default="postgres://postgres@127.0.0.1:5432/postgres",
        driver="psycopg",
    ),
    "mariadb": Server(
        label="MariaDB",
        variable="TEST_MARIADB_URL",
        default="mysql://root@127.0.0.1:3306/test",
        driver="MySQLdb",
        remedy="pip install -e '.[test-mariadb]'",
    ),
    "redis": Server(
        label="Redis",
        variable="TEST_REDIS_URL",
        default="redis://127.0.0.1:6379/0",
        driver="redis",
    ),
    "rabbitmq": Server(
        label="RabbitMQ",
        variable="TEST_RABBITMQ_URL",
        default="amqp://guest:guest@127.0.0.1:5672//",
        driver="amqp",
    ),
    "browser": Server(
        label="Chromium",
        variable="TEST_CHROMIUM",
        default=next(
            (
                found
                for name in ("chromium", "chromium-browser", "google-chrome")
                if (found := shutil.which(name))
            ),
            "/usr/bin/chromium",
        ),
        driver="playwright",
    ),
    "axe": Server(
        label="axe-core",
        variable="TEST_AXE",
        default="npm",
        driver="tests.browser.axe",
    ),
    "azurite": Server(
        label="Azurite",
        variable="TEST_AZURITE_URL",
        default="npm",
        driver="tests.azure.azurite",
    ),
}

#: The servers that are also database aliases of tests/settings.py.
DATABASES = ("postgresql", "mariadb")


def url(name: str) -> str:
    return SERVERS[name].url


def answers(name: str) -> bool:
    return why_not(name) == ""


def demanded(name: str) -> bool:
    """Say whether a missing server is a failure rather than a reason to skip."""
    return os.environ.get("CI", "").lower() in ("1", "true") or bool(
        os.environ.get(SERVERS[name].variable)
    )


@cache
def why_not(name: str) -> str:
    """Return the reason why a server can't be used, empty where it can."""
    server = SERVERS[name]
    try:
        importlib.import_module(server.driver)
    except ImportError:
        package = server.driver.partition(".")[0]
        remedy = server.remedy or "pip install -e '.[test]'"
        return f"{server.label} can't be asked without {package}: {remedy}"
    try:
        PROBES[name](server.url)
    except Exception as error:
        detail = " ".join(str(error).split())[:160]
        return (
            f"{server.label} does not answer on {server.place}; start it or set "
            f"{server.variable} ({type(error).__name__}: {detail})"
        )
    return ""


def _parts(address: str) -> dict[str, Any]:
    parts = urlsplit(address)
    return {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }


def _postgresql(address: str) -> None:
    import psycopg

    psycopg.connect(address, connect_timeout=PATIENCE).close()


def _mariadb(address: str) -> None:
    import MySQLdb

    MySQLdb.connect(**_parts(address), connect_timeout=PATIENCE).close()


def _redis(address: str) -> None:
    import redis

    with contextlib.closing(
        redis.Redis.from_url(
            address, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
        )
    ) as client:
        client.ping()


def _rabbitmq(address: str) -> None:
    import kombu

    with kombu.Connection(address, connect_timeout=PATIENCE) as connection:
        connection.connect()


def _browser(address: str) -> None:
    if shutil.which(address) is None:
        raise FileNotFoundError(address)


def _axe(address: str) -> None:
    from tests.browser import axe

    axe.source()


def _azurite(address: str) -> None:
    from tests.azure import azurite

    if address == SERVERS["azurite"].default:
        # The fixture fetches and starts one.
        azurite.find()
        return
    # Unauthenticated, so any answer of the blob service is a 4xx: it is the
    # Server header that tells.
    try:
        answer = urllib.request.urlopen(address, timeout=PATIENCE)  # noqa: S310
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        if "azurite" not in answer.headers.get("Server", "").lower():
            raise ConnectionError("something else answers there")


PROBES = {
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "redis": _redis,
    "rabbitmq": _rabbitmq,
    "browser": _browser,
    "axe": _axe,
    "azurite": _azurite,
}
