"""One family of errors. Catch ``ContentSafetyError`` for all of them."""

from __future__ import annotations

import traceback
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def describe(error: BaseException) -> str:
    """``error`` for a log: its class and where it arose, never its message.

    A message, and a traceback with its locals, may hold the text or a key.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = (
        f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    )
    return f"{type(error).__name__}{where}"


class ContentSafetyError(Exception):
    """Base of the package's errors. Not raised itself."""


class InvalidProvider(ImproperlyConfigured):
    """A provider's settings are wrong.

    Not a ``ContentSafetyError``: failing open must never hide a wrong setting.
    """


class AlreadyRegistered(ImproperlyConfigured):
    """The model already has a moderation under this policy."""


class ProviderError(ContentSafetyError):
    """A provider did not answer as asked. Carries no text and no key."""

    #: Whether the same question may be asked again later.
    retryable = True
    #: What the state row records: network, protocol, content, config, throttle, bug.
    code = "network"

    def __init__(self, message: str, *, alias: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.alias = alias
        self.request_id = request_id


class ProtocolError(ProviderError):
    """The answer could not be read strictly. Never taken for *allow*."""

    code = "protocol"


class ContentError(ProviderError):
    """The provider refuses this text for good; a person has to look."""

    retryable = False
    code = "content"


class UnsupportedFeature(ProviderError):
    """The provider lacks what was asked of it (see its feature flags)."""

    retryable = False
    code = "config"


class RateLimited(ProviderError):
    """The quota is used up; ask again after ``retry_after`` seconds."""

    code = "throttle"

    def __init__(self, message: str, *, retry_after: float, alias: str = "") -> None:
        super().__init__(message, alias=alias)
        self.retry_after = retry_after


class BuildFailed(ProviderError):
    """A version cannot be built; the message says why and what to do."""

    retryable = False
    code = "build"


class InvalidTransition(ContentSafetyError):
    """The row is not in the state this step starts from (any more)."""


class FrozenVersion(ContentSafetyError):
    """Definition and samples of a frozen version never change."""


class AppendOnly(ContentSafetyError):
    """Results and log entries are written once, never changed or deleted."""


class RefusedError(ContentSafetyError):
    """A person asked for something that can't be done; the message says why."""


class BulkRefused(RefusedError):
    """A bulk write can't submit what it writes; the message says what to do."""


class TextChanged(RefusedError):
    """The text changed since the person opened it."""
