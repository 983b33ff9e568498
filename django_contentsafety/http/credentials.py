"""Keys and endpoints: refused at start-up in words that repeat neither."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from ..exceptions import AuthenticationFailed, InvalidProvider, sealed

#: A header's value in one piece: requests itself prints the key it can't send.
_KEY = re.compile(r"[!-~]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DEFAULT_PORTS = {"https": 443, "http": 80}

#: Seconds before its end at which a token is renewed, as Azure's own clients do.
RENEW_BEFORE = 300.0


class HeaderKey(AuthBase):
    """A key that travels in the header ``name``, after ``prefix``.

    Given with every request, so that requests never looks into a .netrc file.
    """

    __slots__ = ("_key", "_name", "_prefix")

    @sealed
    def __init__(self, alias: str, name: str, key: object, *, prefix: str = "") -> None:
        """Raise InvalidProvider, without repeating it, for a key no header can hold."""
        if not isinstance(key, str) or not key:
            raise InvalidProvider(f"Provider {alias!r} has no key.")
        if not _KEY.fullmatch(key):
            raise InvalidProvider(
                f"Provider {alias!r}: its key has white space or other characters "
                "that no key has; was a line end copied with it?"
            )
        self._key, self._name, self._prefix = key, name, prefix

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers[self._name] = f"{self._prefix}{self._key}"
        return r

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"

    def __reduce__(self) -> Any:
        raise TypeError("A key is not pickled.")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell keys apart and give none away."""
        return blake2b(self._key.encode(), digest_size=8).hexdigest()

    def shares(self, value: str) -> bool:
        """Whether ``value`` holds the key, or a piece of it."""
        return self._key in value or value in self._key

    def renew(self) -> None:
        """Called before each request. Raise a ProviderError where nothing can be sent.

        Not inside the request, whose frames are dropped with what they would explain.
        """

    def refused(self) -> None:
        """Called where the service refused it."""


class BearerToken(HeaderKey):
    """A token that is fetched when it is needed, and kept until it ends.

    ``fetch`` returns the token and the time of its end in seconds since the epoch, or
    raises a ProviderError. It is called from any thread, sometimes from several at
    once: a lock would not outlive a fork.
    """

    __slots__ = ("_alias", "_fetch", "_identity", "_until")

    def __init__(
        self, alias: str, fetch: Callable[[], tuple[str, float]], *, identity: str
    ) -> None:
        """``identity`` names whose token it is, without a secret: two of them have two
        fingerprints."""
        self._alias, self._fetch, self._identity = alias, fetch, identity
        self._key, self._name, self._prefix = "", "Authorization", "Bearer "
        self._until = 0.0

    @property
    def fingerprint(self) -> str:
        return blake2b(self._identity.encode(), digest_size=8).hexdigest()

    def shares(self, value: str) -> bool:
        # Before the first token there is nothing to share, and "" is in everything.
        return bool(self._key) and super().shares(value)

    @sealed
    def renew(self) -> None:
        if time.time() < self._until - RENEW_BEFORE:
            return
        token, until = self._fetch()
        if not _KEY.fullmatch(token):
            raise AuthenticationFailed(
                f"The credential of provider {self._alias!r} gave no token that a "
                "header can hold.",
                alias=self._alias,
            )
        self._key, self._until = token, until

    def refused(self) -> None:
        # It may have been revoked: the next call brings another one.
        self._until = 0.0


@sealed
def checked_endpoint(alias: str, endpoint: object, what: str = "endpoint") -> str:
    """``endpoint`` without a slash at its end; ``what`` it is, for the words.

    Raise InvalidProvider, without repeating it (it may hold a key), for one that would
    send key and texts in clear, or that isn't just scheme, host, port and path.
    """
    parts = _split(endpoint)
    problem = ""
    if parts is None:
        problem = "is no URL of plain characters"
    elif "@" in parts.netloc:
        problem = "holds a user or password; keys have an option of their own"
    elif "?" in str(endpoint) or "#" in str(endpoint):
        problem = "has a query or a fragment"
    elif not _HOST.fullmatch(_host(parts)) or not _PATH.fullmatch(parts.path):
        problem = "needs a host, and a path of plain characters or none"
    elif parts.scheme != "https" and not (
        parts.scheme == "http" and _is_loopback(parts.hostname or "")
    ):
        problem = "must begin with https:// (http:// is for this machine alone)"
    if parts is None or problem:
        raise InvalidProvider(f"Provider {alias!r}: its {what} {problem}.")
    return f"{parts.scheme}://{_host(parts)}{_port(parts)}{parts.path.rstrip('/')}"


def path_below(endpoint: str, location: str) -> str | None:
    """The path and query of ``location`` below ``endpoint``; None where it leads
    elsewhere. A port that goes without saying may be said."""
    here, there = urlsplit(endpoint), _split(location)
    if there is None or "@" in there.netloc or "#" in location:
        return None
    if _origin(here) != _origin(there):
        return None
    path = there.path.removeprefix(here.path)
    if (path == there.path and here.path) or path[:1] != "/":
        return None
    return f"{path}?{there.query}" if there.query else path


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _split(endpoint: object) -> SplitResult | None:
    if not isinstance(endpoint, str) or not _KEY.fullmatch(endpoint):
        return None  # urlsplit itself drops line ends and tabs.
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        return None
    return None if "\\" in endpoint or ".." in parts.path.split("/") else parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> str:
    return "" if parts.port is None else f":{parts.port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
