"""Samples become a frozen version, a build, and the active detector.

    import_samples → freeze → start → advance … → activate

The steps that a person asks for are here, but for the last one, which is in
``activating``; what a build does by itself is in ``advancing``.
"""

from __future__ import annotations

from hashlib import sha256

from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from ..engine.samples import Sample as EngineSample, write_jsonl
from ..exceptions import (
    InvalidProvider,
    RefusedError,
)
from ..models import BuildJob, Category, CategoryVersion, DbNow
from ..providers import Provider, providers
from .activating import activate
from .advancing import advance, due, run
from .entries import atomic, log, refuse_leaving
from .importing import SamplesRefused, import_samples
from .pacing import OVERDUE, poll_delay
from .withholding import withhold

__all__ = [
    "SamplesRefused",
    "activate",
    "advance",
    "cancel",
    "due",
    "freeze",
    "import_samples",
    "poll_delay",
    "run",
    "start",
    "try_again",
]

Status = BuildJob.Status


def freeze(category: Category, *, by: str) -> CategoryVersion:
    """Snapshot definition and samples as the next version.

    Raise RefusedError where the provider would not build it: nothing is stored.
    """
    provider = _builder(category.provider)
    with atomic():
        # A write first: the number is ours from here on, on every database.
        Category.objects.filter(pk=category.pk).update(last_number=F("last_number") + 1)
        category.refresh_from_db()
        refuse_leaving(category)
        samples = [
            EngineSample(text=text, is_positive=positive)
            for text, positive in category.samples.order_by("pk").values_list(
                "text", "is_positive"
            )
        ]
        kept = withhold(samples, provider)
        positives = sum(sample.is_positive for sample in kept.sent)
        negatives = len(kept.sent) - positives
        data = write_jsonl(kept.sent)
        if lacking := provider.lacks(positives, negatives, len(data)):
            raise RefusedError(" ".join(lacking))
        version = CategoryVersion.objects.create(
            category=category,
            number=category.last_number,
            definition=category.definition,
            provider=category.provider,
            samples_jsonl=data,
            samples_sha256=sha256(data).hexdigest(),
            positive_count=positives,
            negative_count=negatives,
            withheld_jsonl=write_jsonl(kept.withheld),
            withheld_count=len(kept.withheld),
            withheld_why=kept.why,
            created_by=by,
        )
        log(
            "frozen",
            version,
            by,
            positives=positives,
            negatives=negatives,
            **({"withheld": len(kept.withheld)} if kept.withheld else {}),
        )
    return version


def start(version: CategoryVersion, *, by: str) -> BuildJob:
    """Queue the build of a frozen version, or of one whose build failed.

    Raise RefusedError where the category has a live build or the version can't be
    built from its state.
    """
    if version.is_adopted:
        raise RefusedError(
            _("%s was built elsewhere: its samples aren't here to build it from.")
            % version
        )
    buildable = CategoryVersion.TRANSITIONS[CategoryVersion.Status.BUILDING]
    with atomic():
        rows = CategoryVersion.objects.filter(pk=version.pk, status__in=buildable)
        if not rows.update(status=CategoryVersion.Status.BUILDING):
            version.refresh_from_db()
            raise RefusedError(
                _("%(version)s is %(status)s: only a frozen or failed one is built.")
                % {"version": version, "status": version.get_status_display()}
            )
        try:
            with atomic():
                job = BuildJob.objects.create(
                    version=version,
                    live_category=version.category,
                    overdue_at=DbNow() + OVERDUE,
                    created_by=by,
                )
        except IntegrityError:
            raise RefusedError(
                _("%s is being built already: wait for that build, or cancel it.")
                % version.category
            ) from None
        log("build_asked", version, by, job=job.pk)
    version.refresh_from_db()
    job.refresh_from_db()
    return job


def cancel(job: BuildJob, *, by: str) -> None:
    """Stop following the build; a late result is ignored.

    The provider is not told: a service may go on by itself. Raise InvalidTransition
    where the build is over.
    """
    with atomic():
        # Whoever holds the lease loses it: canceling is a person's word.
        BuildJob.objects.filter(pk=job.pk).update(lease_token="", lease_until=None)
        job.refresh_from_db()
        job.move(Status.CANCELED)
        job.version.move(CategoryVersion.Status.FAILED)
        log("build_canceled", job.version, by, job=job.pk)


def try_again(job: BuildJob, *, by: str) -> None:
    """Queue a build that waited for a person, who has seen to it.

    It has its whole time again. Raise InvalidTransition where it waits for nobody (any
    more).
    """
    with atomic():
        job.move(
            Status.QUEUED,
            slots=None,
            next_poll_at=DbNow(),
            overdue_at=DbNow() + OVERDUE,
            error_code="",
            error_message="",
        )
        log("build_tried_again", job.version, by, job=job.pk)


def _builder(alias: str) -> Provider:
    try:
        provider: Provider = providers[alias]
    except InvalidProvider as error:
        raise RefusedError(str(error)) from None
    if not provider.can_build:
        raise RefusedError(
            _("The provider %s builds no categories: choose another one.") % alias
        )
    return provider
