"""A host on one database: the one that ``databases.made`` has made."""

from __future__ import annotations

import json
import os

#: An entry of DATABASES as JSON.
DATABASES = {"default": json.loads(os.environ["BENCH_DATABASE"])}
SECRET_KEY = "for the measurements alone"  # noqa: S105
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_contentsafety",
    "simple_history",
    "benchmarks.site",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
ROOT_URLCONF = "benchmarks.site.urls"
STATIC_URL = "static/"
CONTENTSAFETY_PROVIDERS = {
    "default": {"BACKEND": "django_contentsafety.providers.local.LocalProvider"}
}
#: A program that measures the wake says so itself.
CONTENTSAFETY_WAKE = "none"
