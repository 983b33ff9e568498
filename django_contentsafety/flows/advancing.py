"""A build goes on by itself: the steps of the machine, from queued to its end.

Each step commits its intent before it acts and asks before it acts twice, so any worker
can go on where another one died.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import router, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from ..exceptions import (
    BuildFailed,
    InvalidProvider,
    InvalidTransition,
    ProviderError,
    RateLimited,
    describe,
)
from ..models import BuildJob, Category, CategoryVersion, DbNow, LogEntry
from ..providers import BuildRequest, Provider, providers
from ..signals import build_finished

logger = logging.getLogger(__name__)

Status = BuildJob.Status
Progress = Callable[[str, float], None]

#: Seconds a worker may go without a sign before another takes the build over.
LEASE_SECONDS = 120
#: At most one progress write a second, whatever the provider reports.
PROGRESS_SECONDS = 1.0


def poll_delay(age: timedelta) -> timedelta:
    """Until the next poll of a build of that age (reliability.md §7.2, B6)."""
    if age < timedelta(minutes=5):
        return timedelta(minutes=1)
    if age < timedelta(hours=12):
        return timedelta(minutes=5)
    return timedelta(minutes=30)


def run(job: BuildJob, *, progress: Progress | None = None) -> BuildJob:
    """Advance ``job`` in this process until it ends or waits for a remote service."""
    for _step in range(len(Status)):
        if not advance(job.pk, progress=progress):
            break
    job.refresh_from_db()
    return job


def advance(job_pk: int, *, progress: Progress | None = None) -> bool:
    """Take ``job`` as far as it goes now; False where nothing was due.

    Never raises for the provider's faults: they are written into the row.
    """
    job = _claim(job_pk)
    if job is None:
        return False
    try:
        _steps(job, progress)
    except InvalidTransition:
        # Canceled, or taken over after our lease ran out: the row is another's.
        logger.info("Build %s moved on without this worker.", job.pk)
    except BuildFailed as error:
        _fail(job, error)
    except RateLimited as error:
        _wait(job, timedelta(seconds=error.retry_after), error.code)
    except ProviderError as error:
        if error.retryable:
            _wait(job, timedelta(minutes=1), error.code)
        else:
            _ask_for_help(job, error.code, str(error))
    except InvalidProvider as error:
        _ask_for_help(job, "config", str(error))
    except Exception as error:
        logger.error("Build %s failed: %s.", job.pk, describe(error))
        _ask_for_help(
            job, "bug", _("An error in the software (%s).") % type(error).__name__
        )
    except (KeyboardInterrupt, SystemExit):
        # Ctrl-C, or a worker told to end: who goes on needn't wait for our lease.
        _release(job)
        raise
    return True


def due() -> list[int]:
    """The builds that a worker should advance now."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=DbNow())
    jobs = BuildJob.objects.filter(free, status__in=_WORKED, next_poll_at__lte=DbNow())
    return list(jobs.order_by("next_poll_at").values_list("pk", flat=True))


#: The statuses a worker takes further.
_WORKED = [s for s in BuildJob.LIVE if s != Status.NEEDS_ATTENTION]


def _steps(job: BuildJob, progress: Progress | None) -> None:
    """Each step commits its intent, acts, and commits what came of it."""
    version = job.version
    provider: Provider = providers[version.provider]
    if job.status in (Status.QUEUED, Status.REGISTERING):
        operation = job.operation_id or f"cs-{job.pk}-{uuid4().hex[:8]}"
        job.move(Status.REGISTERING, operation_id=operation)
        number = provider.register(_request(job))
        with atomic():
            # The move first: a worker that was taken over must not name the version.
            job.move(Status.REGISTERED)
            CategoryVersion.objects.filter(pk=version.pk).update(
                provider_version=number
            )
    if job.status in (Status.REGISTERED, Status.SUBMITTING):
        job.move(Status.SUBMITTING)
        version.refresh_from_db()
        provider.submit(_request(job), version.provider_version)
        job.move(Status.BUILDING)
    report = _reporter(job, progress)
    state = provider.poll(_request(job), version.provider_version, report)
    words = {"raw_status": state.raw_status[:100], "poll_count": F("poll_count") + 1}
    if state.status == "succeeded":
        with atomic():
            job.move(Status.SUCCEEDED, progress=100, **words)
            CategoryVersion.objects.filter(pk=version.pk).update(
                artifact=state.artifact,
                card=state.card,
                ready_at=DbNow(),
                status=CategoryVersion.Status.READY,
            )
            log("built", version, job.created_by, job=job.pk)
        build_finished.send_robust(BuildJob, job=job)
    elif state.status == "failed":
        raise BuildFailed(state.error or state.raw_status, alias=version.provider)
    else:
        job.move(
            Status.BUILDING,
            **_progress(state.phase, state.fraction),
            **words,
        )
        age = (
            BuildJob.objects.annotate(age=DbNow() - F("created_at")).get(pk=job.pk).age
        )
        _wait(job, poll_delay(age), "")


def _claim(job_pk: int) -> BuildJob | None:
    """Lease the job if it is due and nobody's."""
    token = uuid4().hex
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=DbNow())
    due = BuildJob.objects.filter(
        free, pk=job_pk, status__in=_WORKED, next_poll_at__lte=DbNow()
    )
    until = DbNow() + timedelta(seconds=LEASE_SECONDS)
    if not due.update(lease_token=token, lease_until=until):
        return None
    return BuildJob.objects.select_related("version__category").get(pk=job_pk)


def _reporter(job: BuildJob, progress: Progress | None) -> Progress:
    written = 0.0

    def report(phase: str, fraction: float) -> None:
        nonlocal written
        if progress is not None:
            progress(phase, fraction)
        if time.monotonic() - written >= PROGRESS_SECONDS:
            written = time.monotonic()
            job.move(
                Status.BUILDING,
                **_progress(phase, fraction),
                lease_until=DbNow() + timedelta(seconds=LEASE_SECONDS),
            )

    return report


def _progress(phase: str, fraction: float) -> dict[str, Any]:
    """The columns, whatever the provider says."""
    return {
        "phase": phase[:60],
        "progress": round(min(max(fraction, 0), 1) * 100),
    }


def _request(job: BuildJob) -> BuildRequest:
    version = job.version
    return BuildRequest(
        name=version.category.name,
        version=version.number,
        definition=version.definition,
        samples=bytes(version.samples_jsonl),
        operation_id=job.operation_id,
    )


def _release(job: BuildJob) -> None:
    BuildJob.objects.filter(pk=job.pk, lease_token=job.lease_token).update(
        lease_token="", lease_until=None
    )


def _wait(job: BuildJob, delay: timedelta, code: str) -> None:
    BuildJob.objects.filter(pk=job.pk, lease_token=job.lease_token).update(
        next_poll_at=DbNow() + delay, error_code=code, lease_token="", lease_until=None
    )


def _fail(job: BuildJob, error: BuildFailed) -> None:
    _end(job, Status.FAILED, error.code, str(error))
    build_finished.send_robust(BuildJob, job=job)


def _ask_for_help(job: BuildJob, code: str, message: str) -> None:
    _end(job, Status.NEEDS_ATTENTION, code, message)


def _end(job: BuildJob, status: str, code: str, message: str) -> None:
    try:
        with atomic():
            job.move(status, error_code=code, error_message=message)
            if status == Status.FAILED:
                set_version(job, CategoryVersion.Status.FAILED)
                log("build_failed", job.version, job.created_by, job=job.pk)
            else:
                BuildJob.objects.filter(pk=job.pk).update(
                    lease_token="", lease_until=None
                )
        job.refresh_from_db()
    except InvalidTransition:
        logger.info("Build %s moved on without this worker.", job.pk)


def set_version(job: BuildJob, status: str) -> None:
    CategoryVersion.objects.filter(pk=job.version_id).update(status=status)


def atomic() -> Any:
    """A transaction where the site tables are, which need not be the default alias."""
    return transaction.atomic(router.db_for_write(Category))


def log(event: str, version: CategoryVersion, by: str, **details: object) -> None:
    values = {
        k: str(details.pop(k)) for k in ("from_value", "to_value") if k in details
    }
    LogEntry.objects.create(
        event=event,
        actor_key=by,
        subject=version.category.name,
        details={"version": version.number, **details},
        **values,
    )
