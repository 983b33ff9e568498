"""Sockets with a deadline and a byte count, under requests.

requests' own timeout holds for each single read, so a server that drips outlives it:
9.9 s with timeout=(1, 1) (reliability.md §3). Here every read and write, of headers as
of the body, is given what is left of the call's time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

#: Bytes sent or read at once.
PIECE = 65536
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


class _Current(threading.local):
    call: Call
    pid = 0
    sessions: OrderedDict[tuple[str, ...], requests.Session]


_current = _Current()


def session_for(call: Call, owner: tuple[str, ...], url: str) -> requests.Session:
    """This thread's session of ``owner``, whose next request is ``call``."""
    _current.call = call
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


def close_sessions() -> None:
    """Close this thread's connections. The next call opens others."""
    if _current.pid == os.getpid():
        while _current.sessions:
            _current.sessions.popitem()[1].close()


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
