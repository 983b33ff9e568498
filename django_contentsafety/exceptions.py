"""One family of errors. Catch ``ContentSafetyError`` for all of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured

P = ParamSpec("P")
R = TypeVar("R")


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
    """A provider did not answer as asked. Carries no text and no key.

    The message is made of our words, numbers and the provider's short codes, never of
    its sentences: they may quote the text. Of the classes below a provider raises the
    one that says what has to happen next; docs/reference/providers.md has the table.
    """

    #: Which kind it is: what rows record and the breaker goes by.
    code = "network"
    #: Whether the same question may be asked again later without anybody's doing.
    retryable = True
    #: Whether the try should not count against the row: the fault can't be its text's.
    refund = False
    #: Seconds until it makes sense to ask again; None = nobody can say.
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        *,
        alias: str = "",
        status: int | None = None,
        service_code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.alias = alias
        #: The HTTP status, where there was one.
        self.status = status
        #: The provider's own code for it.
        self.service_code = service_code
        #: What to quote to the provider's support.
        self.request_id = request_id
        if retry_after is not None:
            self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with the message alone.
        return _revive, (type(self), self.args, dict(self.__dict__))


class NetworkError(ProviderError):
    """It could not be reached, or broke off, or took too long."""


class ServerError(ProviderError):
    """It answered that it is unwell (5xx)."""

    code = "server"


class RateLimited(ProviderError):
    """The quota is used up; ask again after ``retry_after`` seconds."""

    code = "throttle"
    refund = True
    retry_after: float

    def __init__(self, message: str, *, retry_after: float, **facts: Any) -> None:
        super().__init__(message, retry_after=retry_after, **facts)


class DeadlineExceeded(ProviderError):
    """The caller's own time was over before the provider answered."""

    code = "deadline"
    refund = True
    retry_after = 0.0


class ProtocolError(ProviderError):
    """The answer could not be read strictly. Never taken for *allow*."""

    code = "protocol"


class ContentError(ProviderError):
    """The provider refuses this text for good; a person has to look."""

    code = "content"
    retryable = False


class TooLarge(ContentError):
    """The text is too long for one request: split it once, if that makes sense."""


class Misconfigured(ProviderError):
    """No call can succeed before somebody changes the settings or the account."""

    code = "config"
    retryable = False
    refund = True
    #: As long as a breaker stays open for it (reliability.md §7.4).
    retry_after = 300.0


class AuthenticationFailed(Misconfigured):
    """The key is wrong, or may not do this."""


class UnsupportedFeature(Misconfigured):
    """The provider lacks what was asked of it (see its feature flags)."""


class Gone(Misconfigured):
    """There is no such service (any more): only another configuration helps."""

    code = "gone"


class NotFound(Misconfigured):
    """The service is there; the category, version or operation named is not."""

    code = "missing"


class Conflict(ProviderError):
    """It exists or runs already: look, and adopt what is there."""

    code = "conflict"


class BuildFailed(ProviderError):
    """A version cannot be built; the message says why and what to do."""

    code = "build"
    retryable = False


class SlotsFull(ProviderError):
    """The provider keeps as many versions as it may: one has to be deleted first."""

    code = "slots"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        limit: int | None = None,
        held: tuple[tuple[str, str], ...] = (),
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        #: How many there may be; None = it doesn't say.
        self.limit = limit
        #: What takes the place: (category's name there, the provider's version).
        self.held = held


class ProviderBug(ProviderError):
    """Our own code failed in the middle of a call."""

    code = "bug"


def sealed(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's errors out without its frames, whose locals hold text and key.

    For every method of a provider that is given a text. Works for ProviderError and
    InvalidProvider, which say all there is to say in their message; an error by
    mistake keeps its traceback.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ProviderError, InvalidProvider) as error:
            sealed_error = error.with_traceback(None)
            sealed_error.__cause__ = None
        del args, kwargs
        try:
            raise sealed_error
        finally:
            # The caller may be handling another error, with frames of its own.
            sealed_error.__context__ = None

    return call


def _revive(
    kind: type[ProviderError], args: tuple[Any, ...], facts: dict[str, Any]
) -> ProviderError:
    error: ProviderError = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


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


class TaskFailed(ContentSafetyError):
    """A task broke off; the message says where, the rows say what is left to do."""
