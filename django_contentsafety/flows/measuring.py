"""A remote version gets its card: the samples withheld from its build are analyzed.

    built → begin → advance … → the card, or why there is none, and again

Some texts at a time, under the provider's quota, behind everybody who waits for an
answer. What is answered is kept with each piece: a worker that dies costs one piece.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import DatabaseError
from django.utils.translation import gettext as _

from ..engine.frozen import read_frozen
from ..engine.samples import Sample
from ..engine.withheld import Answer, make_withheld_card
from ..exceptions import (
    ContentError,
    InvalidProvider,
    ProviderError,
    RefusedError,
    describe,
)
from ..models import CardJob, CategoryVersion, DbNow
from ..providers import CustomCategory, Provider, providers
from ..verdicts import Verdict
from . import calls, pacing
from .entries import atomic, log
from .plans import reference

logger = logging.getLogger(__name__)

Status = CategoryVersion.Status

#: Texts of one piece: what a worker that dies has asked in vain, at most.
PIECE = 20
#: Seconds of one advance: texts that people wait for come first.
SECONDS = 5.0
#: Seconds in which a quota counted by the second has room again, if it has any; it is
#: looked at so often. Rounds come by once a minute: with none of this a card would get
#: one second's share of each.
PATIENCE, LOOK = 1.0, 0.1
#: Until the quota is looked at again, where it had no room in that time.
NO_ROOM = timedelta(seconds=10)
#: What a version must be to answer.
ANSWERING = (Status.READY, Status.RETIRED)


def begin(version: CategoryVersion) -> None:
    """Have the withheld samples of a version analyzed; nothing where there are none."""
    if version.withheld_count:
        _row(version)


def again(version: CategoryVersion, *, by: str) -> CardJob:
    """Go on with a card that failed; measure one anew that is made.

    Raise RefusedError where no samples were withheld, where the version can't answer,
    and where it is being measured already.
    """
    with atomic():
        version.refresh_from_db(fields=["status"])
        if not version.withheld_count or version.status not in ANSWERING:
            raise RefusedError(
                _("%s has no withheld samples that it could be measured on.") % version
            )
        job, is_new = _row(version)
        rests = CardJob.objects.filter(pk=job.pk, due_at__isnull=True)
        # What is answered is kept, unless there was nothing more to ask.
        changes: dict[str, Any] = {} if job.done < job.total else {"answers": []}
        changes |= {"error_code": "", "error_message": "", "finished_at": None}
        begun = rests.update(**changes, since=DbNow(), due_at=DbNow())
        if not begun and not is_new:
            raise RefusedError(_("%s is being measured already.") % version)
        log("card_asked", version, by)
    job.refresh_from_db()
    return job


def find(version: CategoryVersion) -> CardJob | None:
    """How far its card is; None where nobody has begun one."""
    return CardJob.objects.filter(version=version).first()


def run(version: CategoryVersion) -> None:
    """Advance in this process until it ends or has to wait."""
    job = find(version)
    while job is not None and advance(job.pk):
        job.refresh_from_db()


def advance(job_pk: int) -> bool:
    """Analyze withheld samples for some seconds; False where nothing was due.

    Never raises for the provider's faults: they are written into the row.
    """
    job = _claim(job_pk)
    if job is None:
        return False
    try:
        _steps(job)
    except ProviderError as error:
        if error.retryable:
            _wait(job, error)
        else:
            _fail(job, error.code, str(error))
    except InvalidProvider as error:
        _fail(job, "config", str(error))
    except DatabaseError as error:
        logger.error("Measuring %s waits: %s.", job.pk, describe(error))
        _postpone(job, pacing.AFTER_DATABASE)
    except Exception as error:
        logger.error("Measuring %s failed: %s.", job.pk, describe(error))
        _fail(job, "bug", _("An error in the software (%s).") % type(error).__name__)
    except (KeyboardInterrupt, SystemExit):
        _postpone(job, timedelta())
        raise
    return True


def due() -> list[int]:
    """The cards that a worker should go on with now, the longest due first."""
    return list(_due().order_by("due_at").values_list("pk", flat=True))


def _row(version: CategoryVersion) -> tuple[CardJob, bool]:
    return CardJob.objects.get_or_create(
        version=version, defaults={"total": version.withheld_count}
    )


def _due() -> Any:
    return CardJob.objects.filter(
        due_at__lte=DbNow(), version__status__in=[str(s) for s in ANSWERING]
    )


def _claim(job_pk: int) -> CardJob | None:
    """Lease it by its due time: nobody else finds it due before the lease is over."""
    token = uuid4().hex
    # By its own columns: MySQL and MariaDB can't update what a subquery reads.
    if not _due().filter(pk=job_pk).exists():
        return None
    mine = CardJob.objects.filter(pk=job_pk, due_at__lte=DbNow())
    if not mine.update(token=token, due_at=DbNow() + pacing.LEASE):
        return None
    jobs = CardJob.objects.select_related("version__category")
    unread = [f"version__{name}" for name in ("samples_jsonl", "artifact", "card")]
    return jobs.filter(pk=job_pk, token=token).defer(*unread).first()


def _steps(job: CardJob) -> None:
    version = job.version
    provider: Provider = providers[version.provider]
    samples = read_frozen(bytes(version.withheld_jsonl))
    until = time.monotonic() + SECONDS
    while job.done < job.total:
        if not _piece(job, provider, samples):
            return
        if time.monotonic() > until:
            _postpone(job, timedelta())
            return
    _finish(job, samples)


def _piece(job: CardJob, provider: Provider, samples: dict[int, Sample]) -> bool:
    """Ask about the next samples and keep the answers; False where it has to wait."""
    version = job.version
    asked = reference(
        version.pk, version.category.name, version.number, version.provider_version
    )
    size = _room(provider, asked)
    if not size:
        _postpone(job, NO_ROOM)
        return False
    places = range(job.done, min(job.done + size, job.total))
    # A line that erasure made unreadable has no answer.
    texts = [samples[place].text for place in places if place in samples]
    found = calls.analyze(provider, texts, [asked], bulk=True) if texts else []
    answers = iter(found)
    kept: list[Answer] = []
    error: Exception | None = None
    for place in places:
        answer = next(answers) if place in samples else None
        if isinstance(answer, Exception) and not isinstance(answer, ContentError):
            error = answer
            break
        kept.append(_value(answer, asked.name) if isinstance(answer, Verdict) else None)
    if not _keep(job, kept):
        return False
    if error is not None:
        raise error
    return True


def _room(provider: Provider, asked: CustomCategory) -> int:
    """How many texts may be asked about now, or in a moment; 0 = wait for longer."""
    until = time.monotonic() + PATIENCE
    while True:
        room = calls.room(provider, [asked], bulk=True)
        size = PIECE if room is None else min(PIECE, room)
        if size or time.monotonic() > until:
            return size
        time.sleep(LOOK)


def _value(verdict: Verdict, name: str) -> Answer:
    """A score, else yes or no, else nothing: then it answered something else."""
    for score in verdict.scores:
        if score.category == name:
            return score.detected if score.score is None else score.score
    return None


def _keep(job: CardJob, answers: list[Answer]) -> bool:
    """Store a piece; False where another worker has taken over."""
    job.answers = [*job.answers, *answers]
    lease = DbNow() + pacing.LEASE
    return bool(
        _mine(job).update(
            answers=job.answers, due_at=lease, error_code="", error_message=""
        )
    )


def _finish(job: CardJob, samples: dict[int, Sample]) -> None:
    """Write the card, once: with the row's end, or not at all."""
    places = [place for place in range(job.total) if place in samples]
    empty = Sample(text="", is_positive=False)
    lines = [samples.get(place, empty) for place in range(job.total)]
    try:
        card = make_withheld_card(
            [sample.text for sample in lines],
            [sample.is_positive for sample in lines],
            job.answers,
        )
    except ValueError:
        words = _("The provider answered about %(count)d of the withheld samples only.")
        count = sum(job.answers[place] is not None for place in places)
        _fail(job, "content", words % {"count": count})
        return
    with atomic():
        if not _mine(job).update(finished_at=DbNow(), token="", due_at=None):
            return
        versions = CategoryVersion.objects.filter(pk=job.version_id)
        versions.filter(status__in=ANSWERING).update(card=card)
        log("card_made", job.version, "", samples=job.total)


def _wait(job: CardJob, error: ProviderError) -> None:
    times = CardJob.objects.values_list("since", DbNow())
    row = times.filter(pk=job.pk).first()
    if row is None:
        # Its category was deleted meanwhile, and it with that.
        return
    age = row[1] - row[0]
    if age >= pacing.OVERDUE + pacing.GIVE_UP:
        words = _("It has had no end for three days.")
        _fail(job, "endless", f"{words} {error}")
    else:
        facts = {"error_code": error.code, "error_message": str(error)}
        _postpone(job, pacing.next_try(age, error), **facts)


def _fail(job: CardJob, code: str, words: str) -> None:
    """Stop here until a person asks for it again; what is answered is kept."""
    with atomic():
        row = _mine(job)
        if row.update(error_code=code, error_message=words, token="", due_at=None):
            log("card_failed", job.version, "", code=code)


def _postpone(job: CardJob, delay: timedelta, **changes: Any) -> None:
    """Let go of it until then, whoever takes it next."""
    _mine(job).update(due_at=DbNow() + delay, token="", **changes)


def _mine(job: CardJob) -> Any:
    return CardJob.objects.filter(pk=job.pk, token=job.token)
