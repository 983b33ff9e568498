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

from django.db import DatabaseError
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from ..exceptions import (
    BuildFailed,
    InvalidProvider,
    InvalidTransition,
    ProviderError,
    SlotsFull,
    describe,
)
from ..models import BuildJob, CategoryVersion, DbNow
from ..providers import BuildRequest, BuildState, Provider, providers
from ..signals import build_finished
from . import measuring, pacing
from .entries import atomic, log

logger = logging.getLogger(__name__)

Status = BuildJob.Status
Progress = Callable[[str, float], None]

#: At most one progress write a second, whatever the provider reports.
PROGRESS_SECONDS = 1.0
#: Versions that take a provider's slots, as many as a page would show.
MOST_HELD = 50


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
    except SlotsFull as error:
        _ask_for_help(job, error.code, str(error), slots=_slots(error))
    except ProviderError as error:
        if error.retryable:
            _wait(job, error)
        else:
            _ask_for_help(job, error.code, str(error))
    except InvalidProvider as error:
        _ask_for_help(job, "config", str(error))
    except DatabaseError as error:
        # Ours, not the provider's: nothing is known of the build that wasn't before.
        logger.error("Build %s waits: %s.", job.pk, describe(error))
        _postpone(job, pacing.AFTER_DATABASE)
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
    """The builds that a worker should advance now, the longest due first."""
    jobs = BuildJob.objects.filter(_free(), next_poll_at__lte=DbNow())
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
        number = provider.register(_request(job, version))
        with atomic():
            # The move first: a worker that was taken over must not name the version.
            job.move(Status.REGISTERED)
            CategoryVersion.objects.filter(pk=version.pk).update(
                provider_version=number
            )
        version.provider_version = number
    if job.status in (Status.REGISTERED, Status.SUBMITTING):
        job.move(Status.SUBMITTING)
        provider.submit(_request(job, version), version.provider_version)
        job.move(Status.BUILDING, building_at=Coalesce(F("building_at"), DbNow()))
    report = _reporter(job, progress)
    state = provider.poll(_request(job, version), version.provider_version, report)
    # Whatever was wrong before is over.
    words = {
        "raw_status": state.raw_status[:100],
        "poll_count": F("poll_count") + 1,
        "error_code": "",
        "error_message": "",
    }
    if state.status == "succeeded":
        _finish(job, version, state, words)
    elif state.status == "failed":
        job.move(Status.BUILDING, **words)
        raise BuildFailed(state.error or state.raw_status, alias=version.provider)
    else:
        # A word that nobody knows is kept, and polled on.
        job.move(Status.BUILDING, **_progress(state.phase, state.fraction), **words)
        _wait(job)


def _finish(
    job: BuildJob, version: CategoryVersion, state: BuildState, words: dict[str, Any]
) -> None:
    with atomic():
        job.move(Status.SUCCEEDED, progress=100, **words)
        version.move(
            CategoryVersion.Status.READY,
            artifact=state.artifact,
            # Of samples that it has not seen there is a better one to come.
            card=None if version.withheld_count else state.card,
            ready_at=DbNow(),
        )
        measuring.begin(version)
        log("built", version, job.created_by, job=job.pk)
    build_finished.send_robust(BuildJob, job=job)


def _free() -> Q:
    """To be taken further, and nobody's."""
    unleased = Q(lease_until__isnull=True) | Q(lease_until__lt=DbNow())
    return unleased & Q(status__in=_WORKED)


def _claim(job_pk: int) -> BuildJob | None:
    """Lease the job if it is due and nobody's."""
    token = uuid4().hex
    due = BuildJob.objects.filter(_free(), pk=job_pk, next_poll_at__lte=DbNow())
    if not due.update(lease_token=token, lease_until=DbNow() + pacing.LEASE):
        return None
    # By the token: it may have been canceled since.
    mine = BuildJob.objects.select_related("version__category")
    return mine.filter(pk=job_pk, lease_token=token).first()


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
                lease_until=DbNow() + pacing.LEASE,
            )

    return report


def _progress(phase: str, fraction: float) -> dict[str, Any]:
    """The columns, whatever the provider says."""
    return {
        "phase": phase[:60],
        "progress": round(min(max(fraction, 0), 1) * 100),
    }


def _request(job: BuildJob, version: CategoryVersion) -> BuildRequest:
    return BuildRequest(
        name=version.category.name,
        version=version.number,
        definition=version.definition,
        samples=bytes(version.samples_jsonl),
        operation_id=job.operation_id,
        asked_at=job.created_at,
    )


def _release(job: BuildJob) -> None:
    _mine(job).update(lease_token="", lease_until=None)


def _wait(job: BuildJob, error: ProviderError | None = None) -> None:
    """Until the next poll; for ever only until a person has to look."""
    times = BuildJob.objects.values_list("created_at", "overdue_at", DbNow())
    row = times.filter(pk=job.pk).first()
    if row is None:
        # Its category was deleted meanwhile, and it with that.
        return
    began, overdue, now = row
    if now >= (overdue or began + pacing.OVERDUE) + pacing.GIVE_UP:
        message = _("It has had no end for three days.")
        _ask_for_help(job, "endless", f"{message} {error or ''}".strip())
    elif error is None:
        _postpone(job, pacing.next_poll(now - began))
    else:
        facts = {"error_code": error.code, "error_message": str(error)}
        _postpone(job, pacing.next_try(now - began, error), **facts)


def _postpone(job: BuildJob, delay: timedelta, **changes: Any) -> None:
    """Let go of it until then, whoever takes it next."""
    _mine(job).update(
        next_poll_at=DbNow() + delay, lease_token="", lease_until=None, **changes
    )


def _mine(job: BuildJob) -> Any:
    return BuildJob.objects.filter(pk=job.pk, lease_token=job.lease_token)


def _fail(job: BuildJob, error: BuildFailed) -> None:
    try:
        with atomic():
            job.move(Status.FAILED, error_code=error.code, error_message=str(error))
            job.version.move(CategoryVersion.Status.FAILED)
            log("build_failed", job.version, job.created_by, job=job.pk)
    except InvalidTransition:
        logger.info("Build %s moved on without this worker.", job.pk)
    else:
        build_finished.send_robust(BuildJob, job=job)


def _slots(error: SlotsFull) -> dict[str, Any]:
    """What takes the provider's slots, for the page; as little as a row should hold."""
    held = [[name[:64], number[:64]] for name, number in error.held[:MOST_HELD]]
    return {"limit": error.limit, "held": held}


def _ask_for_help(
    job: BuildJob, code: str, message: str, slots: dict[str, Any] | None = None
) -> None:
    """Stop here until a person has seen to it (``attention`` says how)."""
    try:
        job.move(
            Status.NEEDS_ATTENTION,
            error_code=code,
            error_message=message,
            slots=slots,
            lease_token="",
            lease_until=None,
        )
    except InvalidTransition:
        logger.info("Build %s moved on without this worker.", job.pk)
