"""Settings of the example site.

It runs with none of its variables set; ``.env.example`` lists them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ

from django_contentsafety.conf import provider_from_url

from .secret import kept_secret

HERE = Path(__file__).resolve().parent
# What the site writes: its database and its key. Ignored by git.
RUN_DIR = HERE / "data" / "run"
RUN_DIR.mkdir(parents=True, exist_ok=True)

env = environ.Env()
if (HERE / ".env").is_file():
    env.read_env(HERE / ".env")

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default="") or kept_secret(RUN_DIR / "secret")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
# The demo and the tests post through Django's test client.
ALLOWED_HOSTS += ["testserver"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_contentsafety",
    "example_project.guestbook",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
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

DATABASES: dict[str, dict[str, Any]] = {
    "default": (
        env.db_url("DATABASE_URL")
        if env.str("DATABASE_URL", default="")
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": RUN_DIR / "db.sqlite3"}
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Readers and the one writer don't wait for each other.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        # A transaction takes the write lock at its start, where SQLite can wait for
        # it, and not halfway, where it can only fail.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "guestbook"
LOGOUT_REDIRECT_URL = "guestbook"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = RUN_DIR / "static"

# Without a broker nothing needs a worker: a save moderates in its own process.
if broker := env.str("CELERY_BROKER_URL", default=""):
    CELERY_BROKER_URL = broker
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
# What no wake-up came for: a worker run with --beat looks every 30 seconds.
CELERY_BEAT_SCHEDULE = {
    "contentsafety-sweep": {"task": "contentsafety.sweep", "schedule": 30.0},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(RUN_DIR / "celerybeat-schedule")

CONTENTSAFETY_PROVIDERS = {
    "default": provider_from_url(
        env.str("CONTENTSAFETY_URL", default="local://"),
        key=env.str("CONTENTSAFETY_KEY", default="") or None,
    ),
}
