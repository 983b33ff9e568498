"""From a file of samples to a category that is in force."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from django_contentsafety.flows import build
from django_contentsafety.models import BuildJob, Category, CategoryVersion, Policy

#: Who the log says it was.
DEMO = "demo"
#: Seconds to wait for a build that another process has begun.
PATIENCE = 300
CATEGORY = "crypto-scam"
DEFINITION = (
    "Messages that lure people into losing money or the keys of their wallet by way "
    "of cryptocurrency: promises to double coins, guaranteed profits and trading "
    "mentors, false recovery agents, false support, false airdrops, and strangers "
    "who lead the talk to an investment. Honest talk about cryptocurrency, news, "
    "questions, jokes and warnings against scams do not belong in here."
)
POLICY = "guestbook"
#: Held from an even chance on, refused where the classifier is all but sure.
RULE = f"{CATEGORY}:score:0.5:0.9"


def ensure_category(samples: Path) -> tuple[Category, bool]:
    """Return the category, and whether it was made just now."""
    category = Category.objects.filter(name=CATEGORY).first()
    if category is not None:
        return category, False
    try:
        data = samples.read_bytes()
    except OSError as error:
        raise CommandError(f"{samples.name} can't be read: {error.strerror}.") from None
    try:
        # Both or neither: a category without samples would keep the next run from
        # importing them.
        with transaction.atomic():
            category = Category.objects.create(
                name=CATEGORY, definition=DEFINITION, provider="default"
            )
            build.import_samples(category, data, filename=samples.name, by=DEMO)
    except build.SamplesRefused as refusal:
        raise CommandError(
            "\n".join(
                f"{samples.name}, line {error.line}: {error.message} {error.remedy}"
                for error in refusal.errors
            )
        ) from None
    return category, True


def ensure_version(
    category: Category, progress: Callable[[str, float], None]
) -> CategoryVersion | None:
    """Freeze, build and activate a version; None where one is active already."""
    if category.active_version_id:
        return None
    # A demo that was interrupted left one of these behind.
    version = category.versions.filter(status=CategoryVersion.Status.READY).first()
    if version is None:
        job = BuildJob.objects.filter(live_category=category).first()
        if job is None:
            job = build.start(build.freeze(category, by=DEMO), by=DEMO)
        _finish(job, progress)
        version = job.version
        version.refresh_from_db()
    build.activate(version, by=DEMO)
    return version


def _finish(job: BuildJob, progress: Callable[[str, float], None]) -> None:
    """Build until the job ends. Raise CommandError where it ends badly."""
    deadline = time.monotonic() + PATIENCE
    stopped = (*BuildJob.FINAL, BuildJob.Status.NEEDS_ATTENTION)
    while True:
        build.run(job, progress=progress)
        job.refresh_from_db()
        if job.status in stopped or time.monotonic() > deadline:
            break
        progress(_waiting_for(job), job.progress / 100)
        time.sleep(1)
    if job.status != BuildJob.Status.SUCCEEDED:
        raise CommandError(
            f"Building {job.version} ended as “{job.get_status_display()}”: "
            f"{job.error_message or 'no reason was given.'}"
        )


def _waiting_for(job: BuildJob) -> str:
    """A worker has it, or a demo that was killed: its lease ends soon."""
    if job.lease_until is None:
        return "waiting"
    left = (job.lease_until - timezone.now()).total_seconds()
    # In steps, because a pipe gets a line for each.
    return f"waiting for another process, {max(ceil(left / 10), 1) * 10} s at most,"


def describe_card(version: CategoryVersion) -> str:
    """What the cross-validation measured, in one line."""
    metrics = (version.card or {}).get("metrics", {})
    names = {"precision": "precision", "recall": "recall", "f1": "F1", "roc_auc": "AUC"}
    parts = [
        f"{label} {metrics[name]:.2f}"
        for name, label in names.items()
        if isinstance(metrics.get(name), int | float)
    ]
    return ", ".join(parts) or "no metrics"


def ensure_policy() -> None:
    """Put the category in force; thresholds that somebody has changed since stay."""
    policy = Policy.objects.filter(slug=POLICY).first()
    if (
        policy is not None
        and policy.mode == Policy.Mode.LIVE
        and policy.rules.filter(category=CATEGORY).exists()
    ):
        return
    call_command("contentsafety_policy", POLICY, "--live", "--rule", RULE, verbosity=0)
