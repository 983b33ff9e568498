"""A version is taken out of use, put back, or deleted, here and at its provider.

    retire ⇄ reinstate        delete → advance … → deleted, or failed and asked again

Deleting is followed to its end like a build: its intent is a row, committed before the
provider hears of it, and whoever goes on asks before acting twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import DatabaseError
from django.db.models import F
from django.utils.translation import gettext as _

from ..exceptions import (
    InvalidProvider,
    InvalidTransition,
    ProviderError,
    RefusedError,
    describe,
)
from ..models import Category, CategoryVersion, DbNow
from ..providers import Provider, RemovalRequest, providers
from . import pacing
from .activating import checked_reason
from .entries import atomic, log, log_category

logger = logging.getLogger(__name__)

Status = CategoryVersion.Status


def retire(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Keep a ready version, and offer it to nobody any more.

    Raise RefusedError for the active one, and for one that is not ready.
    """
    reason = checked_reason(reason)
    with _held(version):
        _refuse_active(version)
        _move(version, Status.RETIRED, _("only a ready one is retired"))
        log("version_retired", version, by, reason=reason)


def reinstate(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Let a retired version be activated again. Raise RefusedError for any other."""
    reason = checked_reason(reason)
    with _held(version):
        if version.status != Status.RETIRED:
            raise _refusal(version, _("only a retired one is put back"))
        _move(version, Status.READY, _("only a retired one is put back"))
        log("version_reinstated", version, by, reason=reason)


def delete(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Have a version deleted, at its provider first; ``advance`` follows it to the end.

    At the end its artifact and its frozen samples are gone: they serve nobody, and the
    samples are people's texts. The row stays, with its number (never given again),
    definition, hash, counts and card, because decisions were made with it. Once more
    where that failed before. Raise RefusedError for the active version and for one that
    is being built or deleted.
    """
    reason = checked_reason(reason)
    with _held(version):
        _refuse_active(version)
        if version.status == Status.DELETING:
            raise _refusal(version, _("that takes its time"))
        begin(version)
        log("version_delete_asked", version, by, reason=reason)


def begin(version: CategoryVersion) -> None:
    """Write that it is to be deleted. Raise RefusedError where that can't be."""
    _move(
        version,
        Status.DELETING,
        _("cancel its build first")
        if version.status == Status.BUILDING
        else _("there is nothing to delete"),
        removal_id=f"cs-rm-{version.pk}-{uuid4().hex[:8]}",
        removal_since=DbNow(),
        removal_asked_at=None,
        removal_due_at=DbNow(),
        removal_words="",
    )


def delete_here(version: CategoryVersion, *, by: str, reason: str = "") -> None:
    """Delete a version here alone, whose provider failed to: it may keep its copy.

    For a service that was closed, or that the settings lost. Raise RefusedError where
    nobody has tried ``delete``, and failed.
    """
    reason = checked_reason(reason)
    with _held(version):
        if version.status != Status.DELETE_FAILED:
            raise _refusal(version, _("try to delete it at its provider first"))
        _erase(version)
        log("version_deleted_here", version, by, reason=reason)
        _let_go(version)


def run(version: CategoryVersion) -> CategoryVersion:
    """Advance its deletion in this process until it ends or waits for a service."""
    advance(version.pk)
    version.refresh_from_db()
    return version


def advance(version_pk: int) -> bool:
    """Take a deletion as far as it goes now; False where nothing was due.

    Never raises for the provider's faults: they are written into the row.
    """
    version = _claim(version_pk)
    if version is None:
        return False
    try:
        _steps(version)
    except InvalidTransition:
        logger.info("Version %s moved on without this worker.", version.pk)
    except ProviderError as error:
        if error.retryable:
            _wait(version, str(error), error)
        else:
            _fail(version, str(error))
    except InvalidProvider as error:
        _fail(version, str(error))
    except DatabaseError as error:
        logger.error("Deleting version %s waits: %s.", version.pk, describe(error))
        _postpone(version, pacing.AFTER_DATABASE)
    except Exception as error:
        logger.error("Deleting version %s failed: %s.", version.pk, describe(error))
        _fail(version, _("An error in the software (%s).") % type(error).__name__)
    except (KeyboardInterrupt, SystemExit):
        _mine(version).update(removal_due_at=DbNow(), removal_token="")
        raise
    return True


def due() -> list[int]:
    """The deletions that a worker should advance now, the longest due first."""
    versions = CategoryVersion.objects.filter(
        status=Status.DELETING, removal_due_at__lte=DbNow()
    )
    return list(versions.order_by("removal_due_at").values_list("pk", flat=True))


def _steps(version: CategoryVersion) -> None:
    built = version.builds.exclude(operation_id="")
    if not version.provider_version and not built.exists():
        # No provider ever heard of it.
        _end(version)
        return
    provider: Provider = providers[version.provider]
    request = RemovalRequest(
        name=version.category.name,
        version=version.number,
        provider_version=version.provider_version,
        removal_id=version.removal_id,
        samples_sha256=version.samples_sha256,
        category_goes=_all_there(version.category),
    )
    if version.removal_asked_at is None:
        provider.remove(request)
        version.move(Status.DELETING, removal_asked_at=DbNow())
    state = provider.removal(request)
    if state.status == "gone":
        _end(version)
    elif state.status == "failed":
        _fail(version, state.error or state.raw_status)
    else:
        _wait(version, state.raw_status)


def _claim(version_pk: int) -> CategoryVersion | None:
    """Lease it by its due time: nobody else finds it due before the lease is over."""
    token = uuid4().hex
    due = CategoryVersion.objects.filter(
        pk=version_pk, status=Status.DELETING, removal_due_at__lte=DbNow()
    )
    if not due.update(removal_token=token, removal_due_at=DbNow() + pacing.LEASE):
        return None
    mine = CategoryVersion.objects.filter(pk=version_pk, removal_token=token)
    return mine.select_related("category").defer(*_LARGE).first()


#: What a deletion has no use for.
_LARGE = (*CategoryVersion.BLOBS, "card")


def _all_there(category: Category) -> frozenset[str]:
    """What the provider calls the versions of a category that goes; else nothing."""
    if not category.is_leaving:
        return frozenset()
    versions = category.versions.exclude(provider_version="")
    return frozenset(versions.values_list("provider_version", flat=True))


def _end(version: CategoryVersion) -> None:
    with atomic():
        # A write first: of the last two to end, one sees that the other has.
        hold(version.category_id)
        _erase(version)
        log("version_deleted", version, "")
        _let_go(version)


def _let_go(version: CategoryVersion) -> None:
    """With the last version of a category that is leaving, it goes."""
    category = Category.objects.get(pk=version.category_id)
    if category.is_leaving and not (
        category.versions.exclude(status=Status.DELETED).exists()
    ):
        drop(category, by="")


def drop(category: Category, *, by: str) -> None:
    """Delete a category with its rows, and log it. Providers hear nothing."""
    log_category(
        "category_deleted",
        category,
        by,
        samples=category.samples.count(),
        versions=category.versions.count(),
    )
    category.delete()


def hold(category_pk: int) -> None:
    """By a write, the one that activating begins with, too: what follows in this
    transaction sees what others have committed, and nobody else's comes between."""
    Category.objects.filter(pk=category_pk).update(last_number=F("last_number"))


def _erase(version: CategoryVersion) -> None:
    version.move(
        Status.DELETED, removal_due_at=None, removal_token="", removal_words=""
    )
    CategoryVersion.objects.filter(pk=version.pk).erase()
    version.refresh_from_db(fields=[*CategoryVersion.BLOBS, "redacted"])


def _fail(version: CategoryVersion, words: str) -> None:
    try:
        with atomic():
            version.move(
                Status.DELETE_FAILED,
                removal_due_at=None,
                removal_token="",
                removal_words=words,
            )
            log("version_delete_failed", version, "")
    except InvalidTransition:
        logger.info("Version %s moved on without this worker.", version.pk)


def _wait(
    version: CategoryVersion, words: str, error: ProviderError | None = None
) -> None:
    """Until the next poll; for ever only until a person has to look."""
    times = CategoryVersion.objects.values_list("removal_since", DbNow())
    row = times.filter(pk=version.pk).first()
    if row is None:
        # Its category was deleted meanwhile, and it with that.
        return
    since, now = row
    age = now - since
    if age >= pacing.OVERDUE + pacing.GIVE_UP:
        message = _("It has had no end for three days.")
        _fail(version, f"{message} {words}".strip())
    else:
        delay = pacing.next_try(age, error) if error else pacing.next_poll(age)
        _postpone(version, delay, removal_words=words)


def _postpone(version: CategoryVersion, delay: timedelta, **changes: Any) -> None:
    """Let go of it until then, whoever takes it next."""
    due = DbNow() + delay
    _mine(version).update(removal_due_at=due, removal_token="", **changes)


def _mine(version: CategoryVersion) -> Any:
    return CategoryVersion.objects.filter(
        pk=version.pk, removal_token=version.removal_token
    )


@contextmanager
def _held(version: CategoryVersion) -> Iterator[None]:
    """A transaction in which the category's active version stays what it is."""
    with atomic():
        hold(version.category_id)
        version.refresh_from_db(fields=["status", "removal_token"])
        yield


def _refuse_active(version: CategoryVersion) -> None:
    if Category.objects.filter(active_version=version.pk).exists():
        raise RefusedError(_("%s is active: activate another version first.") % version)


def _move(
    version: CategoryVersion, status: str, advice: str, **changes: object
) -> None:
    try:
        version.move(status, **changes)
    except InvalidTransition:
        raise _refusal(version, advice) from None


def _refusal(version: CategoryVersion, advice: str) -> RefusedError:
    return RefusedError(
        _("%(version)s is %(status)s: %(advice)s.")
        % {
            "version": version,
            "status": version.get_status_display(),
            "advice": advice,
        }
    )
