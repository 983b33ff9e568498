"""For a library that speaks a protocol of its own: our sockets under it, our errors
over it.

What bounds a ``Client``'s calls (deadline, size, TLS, no proxy to this machine) bounds
the library's; whatever it retries or logs by itself is its user's to switch off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import __version__
from ..exceptions import (
    DeadlineExceeded,
    NetworkError,
    ProviderBug,
    ProviderError,
    describe,
)
from .client import KINDS, Timeouts
from .deadlines import deadline, is_over
from .faults import Echo, fault
from .sockets import Call, session_for
from .wire import MAX_ERROR_BYTES, explain, user_agent

T = TypeVar("T")

#: The status and headers in an error of the library's; None = it got no answer.
Refusal = Callable[[Exception], tuple[int, Mapping[str, str]] | None]


def lend(
    alias: str,
    who: str,
    url: str,
    use: Callable[[Any], T],
    *,
    refusal: Refusal,
    echo: Echo,
    provider: str,
    timeouts: Timeouts,
) -> T:
    """Return what ``use`` makes of a session to ``url``; it is a ``requests.Session``.

    ``who`` is asked there, as the words of an error begin.
    Answers may be as long as an error's. ``refusal`` reads the library's errors,
    ``echo`` knows what in them only repeats what was sent. Raise a ProviderError for
    all of them. To be called in what is ``sealed``: the frames hold whatever the
    library was given.
    """
    until = min(time.monotonic() + timeouts.total, deadline())
    call = Call(timeouts.connect, timeouts.read, until, MAX_ERROR_BYTES)
    # A library of its own has a session of its own, beside that of a ``Client``.
    owner = (alias, url, user_agent(__version__, provider), "lent")
    try:
        return use(session_for(call, owner, url))
    except ProviderError:
        raise
    except Exception as error:
        outcome = _outcome(error, call, (alias, who), refusal, echo)
    # Not inside the except: what was caught has frames with key and text.
    if isinstance(outcome, NetworkError) and is_over():
        outcome = DeadlineExceeded(f"{who} had no time left to answer.", alias=alias)
    raise outcome


def _outcome(
    error: Exception,
    call: Call,
    names: tuple[str, str],
    refusal: Refusal,
    echo: Echo,
) -> ProviderError:
    alias, who = names
    answered = refusal(error)
    if answered is not None:
        status, headers = answered
        lower = {name.lower(): value for name, value in headers.items()}
        return fault(status, lower, b"", alias=alias, echo=echo, who=who)
    inner = getattr(error, "inner_exception", None)
    kind, words = explain(inner if isinstance(inner, Exception) else error, call)
    if kind == "bug":
        return ProviderBug(
            f"{who} couldn't be asked ({describe(error)}).",
            alias=alias,
        )
    return KINDS[kind](f"{who} {words}.", alias=alias)
