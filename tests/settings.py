"""The settings of the test suite.

SQLite in files of a temporary folder, because tests use threads and processes.
PostgreSQL and MariaDB are aliases where they answer (tests/servers.py).
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

import environ

from tests import servers

# Names the databases of one run, so that runs side by side don't meet. In the
# environment, so that the processes a run starts (and xdist's) have the same.
RUN = os.environ.setdefault("CONTENTSAFETY_TEST_RUN", str(os.getpid()))
RUN_FOLDER = Path(tempfile.gettempdir()) / f"contentsafety-tests-{RUN}"
RUN_FOLDER.mkdir(exist_ok=True)


def remove_run_folder() -> None:
    if str(os.getpid()) == RUN:
        shutil.rmtree(RUN_FOLDER, ignore_errors=True)


atexit.register(remove_run_folder)

SECRET_KEY = "for the tests alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_contentsafety",
    "tests.testapp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"


def sqlite(name: str, **options: str) -> dict[str, object]:
    # Nothing here outlives a power cut, so nothing waits for the disk.
    pragmas = f"PRAGMA synchronous=OFF;{options.pop('pragmas', '')}"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": RUN_FOLDER / f"{name}.sqlite3",
        "OPTIONS": {"timeout": 20, "init_command": pragmas, **options},
        "TEST": {"NAME": str(RUN_FOLDER / f"test_{name}.sqlite3")},
    }


DATABASES = {
    # As startproject makes it: rollback journal, DEFERRED transactions.
    "default": sqlite("default"),
    # As the documentation recommends it.
    "other": sqlite(
        "other", transaction_mode="IMMEDIATE", pragmas="PRAGMA journal_mode=WAL;"
    ),
}
for alias in servers.DATABASES:
    if servers.answers(alias):
        DATABASES[alias] = {
            **environ.Env.db_url_config(servers.url(alias)),
            "TEST": {"NAME": f"test_contentsafety_{RUN}"},
        }
if "postgresql" in DATABASES:
    # Nor there: what is committed is on the disk a little later.
    DATABASES["postgresql"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}
if "mariadb" in DATABASES:
    DATABASES["mariadb"]["OPTIONS"] = {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
    }
    DATABASES["mariadb"]["TEST"]["CHARSET"] = "utf8mb4"

# A process that a test starts works on the test's own databases: the fixture
# process_environment writes their names here.
for alias, name in json.loads(os.environ.get("TEST_DATABASE_NAMES", "{}")).items():
    DATABASES[alias]["NAME"] = name

CONTENTSAFETY_PROVIDERS = {
    "default": {"BACKEND": "django_contentsafety.providers.dummy.DummyProvider"},
    "local": {"BACKEND": "django_contentsafety.providers.local.LocalProvider"},
}
# A test that is about the wake says which.
CONTENTSAFETY_WAKE = "none"
