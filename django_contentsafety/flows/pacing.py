"""When a build or a deletion is looked at again, and when that makes no sense any more.

The bounds are those of reliability.md §7.2, B6 and B8.
"""

from __future__ import annotations

import random
from datetime import timedelta

from ..exceptions import ProviderError

#: How long a worker may go without a sign before another one takes over.
LEASE = timedelta(seconds=120)
#: A build should be over by then: a person is told, and polling goes on (B8).
OVERDUE = timedelta(hours=24)
#: So long after that nobody polls any more, and a person has to look (72 hours).
GIVE_UP = timedelta(hours=48)
#: A fault may be over soon, however rarely an old build is polled.
AFTER_FAULT = timedelta(minutes=5)
#: Our own database did not answer.
AFTER_DATABASE = timedelta(seconds=10)
#: So much earlier or later, that a hundred builds aren't polled in one moment.
JITTER = 0.1


def poll_delay(age: timedelta) -> timedelta:
    """Until the next look at what has gone on for ``age``, before the jitter."""
    if age < timedelta(minutes=5):
        return timedelta(minutes=1)
    if age < timedelta(hours=12):
        return timedelta(minutes=5)
    return timedelta(minutes=30)


def next_poll(age: timedelta) -> timedelta:
    """Until the next look, after an answer."""
    return poll_delay(age) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def next_try(age: timedelta, error: ProviderError) -> timedelta:
    """Until the next look, after a fault: as the service wishes, if it says."""
    if error.retry_after is not None:
        return timedelta(seconds=max(error.retry_after, 1.0))
    return min(next_poll(age), AFTER_FAULT)
