"""How a build stands, for whoever watches it: elapsed, remaining, and what to do.

Reads only, by the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_high
from typing import Literal

from django.utils.translation import gettext as _

from ..models import BuildJob, DbNow
from . import pacing

#: Builds by the same provider that an estimate goes by.
EARLIER = 5
#: Progress in percent below which it says little about the rest.
TELLING = 10

#: What an estimate goes by: how far it is, how long earlier ones took, or nothing.
Basis = Literal["progress", "earlier", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One build as it is now."""

    elapsed: timedelta
    #: None = nobody can say.
    remaining: timedelta | None
    basis: Basis
    #: Until it is looked at again; None = it is over, or waits for a person.
    next_poll: timedelta | None
    #: It lasts longer than it should.
    is_overdue: bool
    #: What a person should do; empty = nothing.
    advice: str


def standing(job: BuildJob) -> Standing:
    """How ``job`` stands; two queries."""
    now: datetime = BuildJob.objects.values_list(DbNow()).get(pk=job.pk)[0]
    waits = job.status == BuildJob.Status.NEEDS_ATTENTION
    goes_on = not waits and not job.is_final
    remaining, basis = _remaining(job, now) if goes_on else (None, "")
    overdue = job.overdue_at or job.created_at + pacing.OVERDUE
    is_overdue = not job.is_final and now >= overdue
    return Standing(
        elapsed=max((job.finished_at or now) - job.created_at, timedelta()),
        remaining=remaining,
        basis=basis,
        next_poll=max(job.next_poll_at - now, timedelta()) if goes_on else None,
        is_overdue=is_overdue,
        advice=_advice(job, is_overdue=is_overdue),
    )


def _remaining(job: BuildJob, now: datetime) -> tuple[timedelta | None, Basis]:
    """By the progress where it tells; else by how long the last ones took."""
    if job.building_at and TELLING <= job.progress < 100:
        spent = max(now - job.building_at, timedelta())
        return spent * ((100 - job.progress) / job.progress), "progress"
    ended = BuildJob.objects.filter(
        status=BuildJob.Status.SUCCEEDED, version__provider=job.version.provider
    )
    # What waited for a person, or was mended, says nothing about the next one; the
    # median leaves it out.
    took = [
        end - began
        for began, end in ended.order_by("-pk").values_list(
            "created_at", "finished_at"
        )[:EARLIER]
        if end is not None
    ]
    if not took:
        return None, ""
    left = median_high(took) - (now - job.created_at)
    # Later than all expectations: nobody can say.
    return (left, "earlier") if left > timedelta() else (None, "")


def _advice(job: BuildJob, *, is_overdue: bool) -> str:
    if job.status == BuildJob.Status.NEEDS_ATTENTION:
        return _ADVICE.get(job.error_code, _ADVICE["bug"])()
    if is_overdue:
        return _(
            "It takes longer than a day. It is polled on, and nothing is built again "
            "by itself: ask the service's support, and name the operation. Cancel it "
            "to build something else."
        )
    return ""


#: By error code (docs/reference/providers.md). Nothing goes on before a person has
#: acted, so each names the act.
_ADVICE: Mapping[str, Callable[[], str]] = {
    "config": lambda: _(
        "Correct the provider's settings (endpoint, key, alias) or the account, "
        "restart the site's processes, and try again: the build goes on where it was, "
        "and nothing is started twice."
    ),
    "gone": lambda: _(
        "There is no such service, or no more. Correct the endpoint and try again; if "
        "the service was closed, cancel the build, choose another provider for the "
        "category, and freeze another version."
    ),
    "missing": lambda: _(
        "The service does not know what it was asked for: it may have been deleted "
        "there. Try again to have it registered and built anew, or cancel the build."
    ),
    "content": lambda: _(
        "The service refuses the definition or the samples. Cancel the build, correct "
        "them, and freeze another version."
    ),
    "slots": lambda: _(
        "The provider keeps as many versions as it may. Delete one that nobody needs, "
        "wait until it is gone, and try again: the build goes on where it was."
    ),
    "endless": lambda: _(
        "Ask the service's support, and name the operation. Try again to poll for "
        "another three days, or cancel the build: that costs nothing here, and the "
        "service may go on."
    ),
    "bug": lambda: _(
        "Look into the log (django_contentsafety.flows), and report it. Try again, or "
        "cancel the build: nothing is lost."
    ),
}
