"""The example site with a worker of its own, so that a build has to be waited for."""

from __future__ import annotations

from example_project.settings import *  # noqa: F403
from example_project.settings import CONTENTSAFETY_PROVIDERS

CONTENTSAFETY_WAKE = "none"
CONTENTSAFETY_PROVIDERS = {
    **CONTENTSAFETY_PROVIDERS,
    "dummy": {"BACKEND": "django_contentsafety.providers.dummy.DummyProvider"},
}
