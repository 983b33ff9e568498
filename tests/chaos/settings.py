"""The settings of every process of a storm."""

from __future__ import annotations

from .run import Run
from .texts import judge_here

RUN = Run.load()

SECRET_KEY = "for the storm alone"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_contentsafety",
    "tests.chaos",
]
DATABASES = {"default": RUN.database}

#: Seconds: an answer of the provider on loopback takes a few thousandths.
PATIENCE = {"connect_timeout": 1.0, "read_timeout": 0.5, "total_timeout": 1.0}
REMOTE = "django_contentsafety.testing.remote.RemoteProvider"


def remote(name: str, **options: float) -> dict[str, object]:
    endpoint = f"{RUN.provider_url}/{name}"
    return {
        "BACKEND": REMOTE,
        "OPTIONS": {"endpoint": endpoint, "key": RUN.key, **PATIENCE, **options},
    }


CONTENTSAFETY_PROVIDERS = {
    "default": {
        "BACKEND": "django_contentsafety.providers.dummy.DummyProvider",
        "OPTIONS": {"script": judge_here},
    },
    # With a quota, so that a 429 to one worker pauses all of them.
    "remote": remote("remote", rate=200, burst=50),
    "second": remote("second"),
    # Out of order for a while: its breaker opens.
    "unwell": remote("unwell"),
}
CONTENTSAFETY_WAKE = "celery"
# Workers die by the second here, not by the month.
CONTENTSAFETY_LEASE_SECONDS = 10
CONTENTSAFETY_DRAIN_SECONDS = 5.0

# Everything that is logged, with the locals of every traceback: what an error reporter
# would send elsewhere. The canary is looked for in it.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"locals": {"()": "tests.chaos.logs.LocalsFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "locals"},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django_contentsafety": {"level": "DEBUG"},
        "urllib3": {"level": "DEBUG"},
        "requests": {"level": "DEBUG"},
    },
}
