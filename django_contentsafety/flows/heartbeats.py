"""The housekeepers' rows: who was here when, who leads, how far a pass has come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import uuid4

from django.db import DatabaseError
from django.db.models import Q

from ..exceptions import describe
from ..models import DbNow, Heartbeat

logger = logging.getLogger(__name__)

#: A sweeper leads for so long; losing the lease is harmless (reliability.md §7.3).
LEASE = timedelta(seconds=25)


def beat(name: str) -> None:
    """Note that the housekeeper ``name`` has just finished."""
    if not Heartbeat.objects.filter(name=name).update(beat_at=DbNow()):
        Heartbeat.objects.get_or_create(name=name)


@contextmanager
def lead(name: str) -> Iterator[bool]:
    """Hold the lease of ``name`` for the block; False where somebody else does.

    Two at once only waste queries, so where the row can't be asked: True.
    """
    token = uuid4().hex
    try:
        leading = _take(name, token)
    except DatabaseError as error:
        logger.warning("The lease of %s can't be read: %s.", name, describe(error))
        leading = True
    try:
        yield leading
    finally:
        with suppress(DatabaseError):
            mine = Heartbeat.objects.filter(name=name, lease_token=token)
            mine.update(lease_token="", lease_until=None)


def resume(name: str, every: timedelta) -> int | None:
    """The key after which the pass ``name`` goes on; None until the next is due.

    A pass is begun so long after the last one ended, and it beats when it ends: until
    then it is due.
    """
    row = Heartbeat.objects.filter(name=name)
    row.get_or_create(name=name, defaults={"beat_at": DbNow() - every})
    due = row.filter(beat_at__lte=DbNow() - every)
    return due.values_list("position", flat=True).first()


def advance(name: str, position: int | None) -> None:
    """Keep where the pass has come to; None = it has ended."""
    row = Heartbeat.objects.filter(name=name)
    if position is None:
        row.update(position=0, beat_at=DbNow())
    else:
        row.update(position=position)


def put_off(name: str, every: timedelta, delay: timedelta) -> None:
    """Let the pass, which is to be begun ``every`` so long, begin after ``delay``."""
    Heartbeat.objects.filter(name=name).update(beat_at=DbNow() - every + delay)


def _take(name: str, token: str) -> bool:
    rows = Heartbeat.objects.filter(name=name)
    free = rows.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=DbNow()))
    changes = {"lease_token": token, "lease_until": DbNow() + LEASE}
    if free.update(**changes):
        return True
    Heartbeat.objects.get_or_create(name=name)
    return bool(free.update(**changes))
