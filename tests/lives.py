"""A version's whole life beside a service of which one request goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from django_contentsafety.flows import build, removing
from django_contentsafety.flows.standing import standing
from django_contentsafety.models import CategoryVersion
from django_contentsafety.testing.trainer import Fault
from tests.building import HASTY, PATIENT, settle

#: How often a person comes by.
VISITS = 5


@dataclass
class Nth:
    """Fails the request number ``at``; counts them all."""

    at: int = -1
    fault: Fault | None = None
    steps: list[str] = field(default_factory=list)

    def __call__(self, step: str) -> Fault | None:
        self.steps.append(step)
        return self.fault if len(self.steps) - 1 == self.at else None

    @property
    def timeouts(self) -> dict[str, float]:
        """Options of a provider: what never answers needn't be waited for."""
        return HASTY if self.fault and self.fault.reply.then == "hang" else PATIENT


def be_built(version: CategoryVersion) -> list[str]:
    """With a person who sees to what needs one; the codes they saw."""
    asked: list[str] = []
    job = build.start(version, by="7")
    for _ in range(VISITS):
        settle()
        job.refresh_from_db()
        if job.status != "needs_attention":
            break
        asked.append(job.error_code)
        assert standing(job).advice
        build.try_again(job, by="7")
    # Never ended by a fault on the way.
    assert (job.status, job.error_code) == ("succeeded", ""), job.error_message
    version.refresh_from_db()
    assert version.status == "ready"
    return asked


def be_deleted(version: CategoryVersion) -> list[str]:
    """The same for its end; "removal" stands for each time it failed."""
    asked: list[str] = []
    for _ in range(VISITS):
        removing.delete(version, by="7")
        settle()
        version.refresh_from_db()
        if version.status == "deleted":
            break
        assert version.status == "delete_failed"
        assert version.removal_words
        asked.append("removal")
    return asked
