"""How long the caller can wait, whatever a provider's own timeouts are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

#: On the monotonic clock.
_until: ContextVar[float] = ContextVar("contentsafety_deadline", default=inf)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Calls in this block end within ``seconds``; None = no bound of the caller's.

    An outer block's bound holds as well. Name resolution alone can't be bounded.
    """
    mine = inf if seconds is None else time.monotonic() + seconds
    token = _until.set(min(mine, _until.get()))
    try:
        yield
    finally:
        _until.reset(token)


def deadline() -> float:
    """When the caller's time is over, on the monotonic clock; inf = never."""
    return _until.get()


def is_over() -> bool:
    """Whether the caller's time is over."""
    return time.monotonic() >= _until.get()
