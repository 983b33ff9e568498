"""Follow a build to its end; who stops watching does not stop it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from ...flows import build, measuring
from ...models import BuildJob, CategoryVersion
from ...providers import providers
from ..connections import close_old
from ..stopping import Stop
from .finding import find_category, find_version
from .steps import describe
from .telling import Report, Voice

Status = BuildJob.Status
#: Seconds between two looks at a build that another process may take further.
LOOK = 2.0
#: The exit code of a command that Ctrl-C ended (128 + SIGINT).
INTERRUPTED = 130


def build_version(options: dict[str, Any], voice: Voice) -> Report:
    """Build the newest frozen version, or go on watching the build there is."""
    category = find_category(options["name"])
    job = BuildJob.objects.filter(live_category=category).first()
    if job is None or options["version"] not in (None, job.version.number):
        frozen = [CategoryVersion.Status.FROZEN, CategoryVersion.Status.FAILED]
        version = find_version(
            category,
            options["version"],
            frozen,
            "frozen or failed",
            is_adopted=False,
        )
        job = build.start(version, by=options["actor"])
    else:
        voice.say(f"{job.version} is being built already; watching it.")
    is_ours = providers[job.version.provider].in_process
    try:
        _follow(job, voice, wait=is_ours or options["wait"])
        if options["wait"]:
            follow_card(job.version, voice)
    except KeyboardInterrupt:
        raise CommandError(_goes_on(job), returncode=INTERRUPTED) from None
    finally:
        voice.end_progress()
    return _report(job, voice)


def _follow(job: BuildJob, voice: Voice, *, wait: bool) -> None:
    build.run(job, progress=voice.progress)
    if not wait:
        return
    with Stop() as stop:
        while not _is_over(job):
            voice.progress(
                f"{job.get_status_display()} {job.phase}".strip(), job.progress / 100
            )
            if stop.wait(LOOK):
                raise KeyboardInterrupt
            close_old()
            # Only where it is due and nobody's: a worker may have it.
            build.run(job, progress=voice.progress)


def follow_card(version: CategoryVersion, voice: Voice) -> None:
    """Analyze its withheld samples here, until its card is made or needs a person."""
    with Stop() as stop:
        while True:
            measuring.run(version)
            job = measuring.find(version)
            if job is None or not job.goes_on:
                return
            voice.progress("Analyzing withheld samples", job.done / job.total)
            if stop.wait(LOOK):
                raise KeyboardInterrupt
            close_old()


def describe_card_job(version: CategoryVersion) -> Report:
    """How far the card of a remote version is, as reports have it."""
    job = measuring.find(version)
    if job is None:
        return {"withheld": version.withheld_count, "analyzed": 0, "card_error": ""}
    return {
        "withheld": job.total,
        "analyzed": job.done,
        "card_error": job.error_message,
    }


def _is_over(job: BuildJob) -> bool:
    return job.is_final or job.status == Status.NEEDS_ATTENTION


def _report(job: BuildJob, voice: Voice) -> Report:
    job = BuildJob.objects.select_related("version__category").get(pk=job.pk)
    report = describe(job.version) | {
        "build": job.status,
        "progress": job.progress,
        "polls": job.poll_count,
        "error": job.error_message,
        **describe_card_job(job.version),
    }
    if job.status == Status.SUCCEEDED:
        voice.say(f"{job.version} is built: look at its errors (card), then activate.")
    elif _is_over(job):
        for name, number in (job.slots or {}).get("held", []):
            voice.say(f"  {name} {number} takes a slot.")
        voice.report(report)
        words = f"{job.version}: {job.get_status_display()}. {job.error_message}"
        raise CommandError(words.rstrip())
    else:
        voice.say(_goes_on(job))
    return report


def _goes_on(job: BuildJob) -> str:
    return (
        f"The build of {job.version} goes on in the background, with a worker or "
        "contentsafety_sweep. Watch it with build --wait, or status."
    )
