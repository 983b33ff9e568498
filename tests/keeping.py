"""A service that keeps versions and answers about them, and our side of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.flows import build
from django_contentsafety.http import close_sessions
from django_contentsafety.models import CardJob, Category, CategoryVersion
from django_contentsafety.testing.fault_server import FaultServer
from django_contentsafety.testing.service import Service
from tests.building import pass_time, remote
from tests.engine.made_up import POSITIVE, make_samples

#: Samples of each kind, and how many of both together are withheld.
SAMPLES, WITHHELD = 60, 24


def judge(text: str) -> int:
    """Right about every made-up sample."""
    return 7 if set(text.split()) & set(POSITIVE) else 0


@contextmanager
def serving(settings: Any, service: Service, **options: Any) -> Iterator[Service]:
    with FaultServer(service) as server:
        settings.CONTENTSAFETY_PROVIDERS = {
            **settings.CONTENTSAFETY_PROVIDERS,
            "remote": remote(server.url, **options),
        }
        yield service
        close_sessions()


def frozen(name: str = "scam", size: int = SAMPLES) -> CategoryVersion:
    category = Category.objects.create(
        name=name, definition="Scams.", provider="remote"
    )
    data = write_jsonl(make_samples(size, size))
    build.import_samples(category, data, filename="s.jsonl", by="7")
    return build.freeze(category, by="7")


def built(name: str = "scam", size: int = SAMPLES) -> CategoryVersion:
    """Ready, and not yet measured."""
    version = frozen(name, size)
    job = build.start(version, by="7")
    while build.run(job).status != "succeeded":
        pass_time()
    version.refresh_from_db()
    return version


def card_job(version: CategoryVersion) -> CardJob:
    return CardJob.objects.get(version=version)
