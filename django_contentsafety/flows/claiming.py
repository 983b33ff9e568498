"""What may be claimed now, and how long it stays claimed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from ..conf import settings
from ..exceptions import describe
from ..models import DbNow, ModerationState
from .plans import Plan

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """What may be claimed at once; ``bulk`` as in ``claim``."""

    policies: list[str]
    room: int
    bulk: bool | None


def shares(plans: Mapping[str, Plan], limit: int, states: Any) -> Iterator[Share]:
    """What can't be asked isn't claimed. A bulk round's turn comes where nobody waits
    for what the quota can give."""
    rooms = {slug: plan.room() for slug, plan in plans.items()}
    free = [slug for slug, room in rooms.items() if room is None]
    bounded = {slug: min(room, limit) for slug, room in rooms.items() if room}
    if free:
        yield Share(free, limit, None)
    for slug, room in bounded.items():
        yield Share([slug], room, False)
    if not bounded:
        return
    counted = [slug for slug, room in rooms.items() if room is not None]
    waiting = states.waited_for().filter(policy__in=counted, state="pending")
    due = Q(available_at__lte=DbNow()) | Q(last_error_code="throttle")
    if waiting.filter(due).exists():
        return
    for slug in bounded:
        share = plans[slug].room(bulk=True)
        if share:
            yield Share([slug], min(share, limit), True)


class Lease:
    """A claim's lease, prolonged while its rows are worked on."""

    def __init__(self, rows: Sequence[ModerationState], using: str) -> None:
        self.rows, self.using = rows, using
        self.seconds: float = settings.LEASE_SECONDS
        self.kept_at = time.monotonic()

    def keep(self) -> None:
        """Prolong it where a third of it is over. Never raises."""
        now = time.monotonic()
        if now - self.kept_at < self.seconds / 3:
            return
        self.kept_at = now
        try:
            ModerationState.objects.using(self.using).keep(self.rows, self.seconds)
        except DatabaseError as error:
            logger.warning("A lease was not prolonged: %s.", describe(error))
