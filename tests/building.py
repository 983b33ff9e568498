"""Categories that are built: where their tables are, and how time passes for them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django_contentsafety.engine.samples import write_jsonl
from django_contentsafety.flows import build, upkeep
from django_contentsafety.models import (
    BuildJob,
    CardJob,
    Category,
    CategoryVersion,
    DbNow,
    LogEntry,
    ProviderBudget,
)
from tests.engine.made_up import make_samples

DEFINITION = "Scams."
#: Seconds: for what never answers; all others have time on a busy machine.
HASTY = {"connect_timeout": 1.0, "read_timeout": 0.3, "total_timeout": 0.6}
PATIENT = {"connect_timeout": 5, "read_timeout": 20, "total_timeout": 30}


class SiteTables:
    """Our app's tables are read and written in one alias."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model._meta.app_label == "contentsafety" else None

    db_for_write = db_for_read


def remote(endpoint: str, **options: Any) -> dict[str, Any]:
    """The settings of a provider that asks ``endpoint``."""
    return {
        "BACKEND": "django_contentsafety.testing.remote.RemoteProvider",
        "OPTIONS": {"endpoint": endpoint, "key": "k" * 32, **PATIENT, **options},
    }


def freeze(provider: str = "remote", name: str = "scam", size: int = 1) -> Any:
    """A frozen version of a category with so many samples of each kind."""
    category = Category.objects.create(
        name=name, definition=DEFINITION, provider=provider
    )
    data = write_jsonl(make_samples(size, size))
    build.import_samples(category, data, filename="s.jsonl", by="7")
    return build.freeze(category, by="7")


def pass_time() -> None:
    """The workers that hold something died long ago, everything is due, and what was
    spent of the quotas is there again; what a service asked for is another matter."""
    BuildJob.objects.filter(lease_until__isnull=False).update(
        lease_until=DbNow() - timedelta(seconds=1)
    )
    BuildJob.objects.filter(status__in=BuildJob.LIVE).update(next_poll_at=DbNow())
    CategoryVersion.objects.filter(status="deleting").update(removal_due_at=DbNow())
    CardJob.objects.filter(due_at__isnull=False).update(due_at=DbNow())
    ProviderBudget.objects.update(arrival_at=DbNow())


def settle(times: int = 400) -> int:
    """Let housekeeping come by until nothing moves; return how often it did."""
    for turn in range(times):
        pass_time()
        if not upkeep.advance_builds():
            return turn
    raise AssertionError("builds are going on and on")


def events() -> list[str]:
    return list(LogEntry.objects.order_by("pk").values_list("event", flat=True))
