"""The one way to a remote provider: deadlines, caps, no redirects, one error family.

``Client`` is all that a provider needs; nothing else imports requests.
"""

from __future__ import annotations

from .client import MAX_BYTES, Answer, Client, Timeouts
from .credentials import BearerToken, HeaderKey
from .deadlines import deadline, is_over, within
from .sockets import close_sessions

__all__ = [
    "MAX_BYTES",
    "Answer",
    "BearerToken",
    "Client",
    "HeaderKey",
    "Timeouts",
    "close_sessions",
    "deadline",
    "is_over",
    "within",
]
