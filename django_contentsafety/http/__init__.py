"""The one way to a remote provider: deadlines, caps, no redirects, one error family.

``Client`` is all that a provider needs; nothing else imports requests. ``lend`` is for
a library that brings a protocol of its own.
"""

from __future__ import annotations

from .client import MAX_BYTES, Answer, Client, Timeouts
from .credentials import BearerToken, HeaderKey, checked_endpoint
from .deadlines import deadline, is_over, within
from .lending import lend
from .sockets import close_sessions

__all__ = [
    "MAX_BYTES",
    "Answer",
    "BearerToken",
    "Client",
    "HeaderKey",
    "Timeouts",
    "checked_endpoint",
    "close_sessions",
    "deadline",
    "is_over",
    "lend",
    "within",
]
