"""The settings of every process of a run."""

from __future__ import annotations

from .run import Run

RUN = Run.load()

SECRET_KEY = "for this run alone"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_contentsafety",
]
DATABASES = {"default": RUN.database}
CONTENTSAFETY_PROVIDERS = {
    "default": {"BACKEND": "django_contentsafety.providers.dummy.DummyProvider"},
    "local": {"BACKEND": "django_contentsafety.providers.local.LocalProvider"},
    "remote": {
        "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
        "OPTIONS": {"endpoint": RUN.trainer_url, "key": "k" * 32},
    },
}
CONTENTSAFETY_WAKE = "none"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
