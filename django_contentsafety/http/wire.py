"""Sockets with a deadline and a byte count, under requests.

requests' own timeout holds for each single read, so a server that drips outlives it:
9.9 s with timeout=(1, 1) (reliability.md §3). Here every read and write, of headers as
of the body, is given what is left of the call's time.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    HTTPError,
    InvalidChunkLength,
    InvalidHeader as InvalidHeaderError,
    NameResolutionError,
    SSLError,
)

if TYPE_CHECKING:
    from requests.auth import AuthBase

#: Bytes sent or read at once.
PIECE = 65536
#: Of an error's body only a code and a wait are read.
MAX_ERROR_BYTES = 65536
#: Headers, chunk sizes and 1xx answers may come on top of the body.
OVERHEAD = 262_144
#: Sessions a thread keeps; a site has fewer remote providers.
MAX_SESSIONS = 16


class Refused(Exception):
    """We stopped it ourselves; the message is ours."""


class TooLate(Refused):
    """The call's time is over."""


class Unreadable(Refused):
    """The answer is too large, or no HTTP."""


@dataclass(slots=True)
class Call:
    """One exchange on its way."""

    connect: float
    read: float
    deadline: float
    max_bytes: int
    #: Whether a byte of the request has left us: then nothing is tried again.
    sent: bool = False
    received: int = 0

    def wait(self, longest: float) -> float:
        """Seconds the next step may take. Raise TooLate where there are none left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLate
        return max(min(longest, left), 0.001)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Current(threading.local):
    call: Call
    pid = 0
    sessions: OrderedDict[tuple[str, ...], requests.Session]


_current = _Current()


def exchange(
    call: Call,
    owner: tuple[str, ...],
    method: str,
    url: str,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    auth: AuthBase,
) -> Received:
    """Send one request and read the whole answer, or raise whatever happened.

    To be called where the frames of what it raises are dropped: they hold the key.
    """
    _current.call = call
    response = _session(owner, url).request(
        method,
        url,
        data=body,
        headers=dict(headers),
        auth=auth,
        timeout=(call.wait(call.connect), call.wait(call.read)),
        allow_redirects=False,
        stream=True,
        verify=True,
    )
    try:
        status = response.status_code
        received = {name.lower(): value for name, value in response.headers.items()}
        if 300 <= status < 400:
            return Received(status, received, b"")
        if status < 400:
            return Received(status, received, _body(response, call.max_bytes))
        try:
            return Received(status, received, _body(response, MAX_ERROR_BYTES))
        except Exception:
            # The status says it already; the body only adds detail.
            return Received(status, received, b"")
    finally:
        # Gives the connection back to the pool where the answer was read to its end.
        response.close()


def explain(error: Exception, call: Call) -> tuple[str, str]:
    """The kind ("network", "protocol" or "bug") of what ``exchange`` raised, in words.

    The words are all ours: an exception's own may quote URL, key or answer.
    """
    if isinstance(error, TooLate):
        return "network", "took too long"
    if isinstance(error, Unreadable):
        return "protocol", str(error)
    causes = list(_causes(error))
    if any(isinstance(cause, TooLate) for cause in causes):
        return "network", "took too long"
    if not isinstance(error, _EXPECTED):
        return "bug", ""
    if not call.sent:
        return "network", _why_unreachable(causes)
    if any(isinstance(cause, (requests.Timeout, TimeoutError)) for cause in causes):
        return "network", "didn't answer in time"
    # An InvalidChunkLength calls itself an IncompleteRead, so it is asked first.
    if any(isinstance(cause, InvalidChunkLength) for cause in causes):
        return "protocol", "sent something that is not HTTP"
    if any(isinstance(cause, _PREMATURE) for cause in causes):
        return "network", "broke off"
    if any(isinstance(cause, _MALFORMED) for cause in causes):
        return "protocol", "sent something that is not HTTP"
    return "network", "broke off"


def close_sessions() -> None:
    """Close this thread's connections. The next call opens others."""
    if _current.pid == os.getpid():
        while _current.sessions:
            _current.sessions.popitem()[1].close()


def user_agent(version: str, provider: str) -> str:
    """As providers' support teams want to see it."""
    return (
        f"django-contentsafety/{version} ({provider}) "
        f"python-requests/{requests.__version__}"
    )


#: What a network or a server may do to us; anything else is our own mistake.
_EXPECTED = (
    requests.RequestException,
    HTTPError,
    HTTPException,
    OSError,
    UnicodeError,
)
_PREMATURE = (RemoteDisconnected, IncompleteRead, ConnectionError, SSLError)
_MALFORMED = (
    HTTPException,
    InvalidHeaderError,
    requests.exceptions.InvalidHeader,
    UnicodeError,
)


def _session(owner: tuple[str, ...], url: str) -> requests.Session:
    # A child of a fork must not talk on its parent's connections.
    if _current.pid != os.getpid():
        _current.pid, _current.sessions = os.getpid(), OrderedDict()
    session = _current.sessions.pop(owner, None)
    if session is None:
        session = _Session()
        # A proxy would see what is meant for this machine alone, and in clear.
        session.trust_env = url.startswith("https:")
        session.headers.clear()
        session.mount("https://", _Adapter(pool_connections=1, pool_maxsize=1))
        session.mount("http://", _Adapter(pool_connections=1, pool_maxsize=1))
        while len(_current.sessions) >= MAX_SESSIONS:
            _current.sessions.popitem(last=False)[1].close()
    _current.sessions[owner] = session
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        # Asked even where redirects aren't followed: requests then prepares the next
        # request, and to do so reads and unpacks the whole body of this one.
        return None


class _Adapter(HTTPAdapter):
    """Our connections, in the pools that requests makes."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Reader(RawIOBase):
    """A socket's bytes, as long as the call's time and size allow."""

    def __init__(self, raw: Any, sock: Any, call: Call) -> None:
        self._raw, self._sock, self._call = raw, sock, call

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        call = self._call
        self._sock.settimeout(call.wait(call.read))
        count: int | None = self._raw.readinto(buffer)
        call.received += count or 0
        if call.received > 2 * call.max_bytes + OVERHEAD:
            raise Unreadable("sent more than we read")
        return count

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = BufferedReader(_Reader(raw, sock, _current.call))

    def begin(self) -> None:
        super().begin()
        if self.headers.defects:
            # urllib3 would log the lines it can't read, which may echo anything.
            raise Unreadable("sent headers that can't be read")
        # Nothing here wants a cookie, so nothing has to parse one.
        del self.headers["Set-Cookie"], self.headers["Set-Cookie2"]


class _Deadline:
    """Mixed into urllib3's connections."""

    response_class: Any = _Response
    timeout: Any

    def connect(self: Any) -> None:
        self.timeout = _current.call.wait(_current.call.connect)
        super().connect()  # type: ignore[misc]

    def send(self: Any, data: Any) -> None:
        if self.sock is None:
            self.connect()
        call = _current.call
        call.sent = True
        for piece in _pieces(data):
            self.sock.settimeout(call.wait(call.read))
            super().send(piece)  # type: ignore[misc]


class _HTTPConnection(_Deadline, HTTPConnection):
    pass


class _HTTPSConnection(_Deadline, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _body(response: requests.Response, limit: int) -> bytes:
    """The decoded body. Raise Unreadable where it is larger than ``limit``."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    # We asked for none. Unpacked here, because how much older urllib3s unpack at once
    # has no bound: 67 MB under a cap of 1 MB (reliability.md §3).
    unpack = zlib.decompressobj(31) if encoding in ("gzip", "x-gzip") else None
    if unpack is None and encoding not in ("", "identity"):
        raise Unreadable("sent an encoding that wasn't asked for")
    body = bytearray()
    for piece in response.raw.stream(PIECE, decode_content=False):
        while piece:
            room = limit + 1 - len(body)
            if unpack is None:
                body += piece[:room]
                piece = piece[room:]
            else:
                body += _unpacked(unpack, piece, room)
                piece = unpack.unconsumed_tail
            if len(body) > limit:
                raise Unreadable(f"sent more than {limit} bytes")
    if unpack is not None and (not unpack.eof or unpack.unused_data):
        raise Unreadable("sent a broken gzip stream")
    return bytes(body)


def _unpacked(unpack: Any, piece: bytes, room: int) -> bytes:
    try:
        return bytes(unpack.decompress(piece, room))
    except zlib.error:
        pass
    raise Unreadable("sent a broken gzip stream")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it wraps, in any of the ways in use."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        waiting += [e for e in (*inner, *cause.args) if isinstance(e, BaseException)]


def _why_unreachable(causes: list[BaseException]) -> str:
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return "has a host name that can't be resolved"
    if any(
        isinstance(cause, (SSLError, requests.exceptions.SSLError)) for cause in causes
    ):
        return "failed the TLS handshake"
    if any(isinstance(cause, (requests.Timeout, TimeoutError)) for cause in causes):
        return "accepted no connection in time"
    return "can't be reached"
