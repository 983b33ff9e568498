"""One request and its whole answer, or what went wrong in words of our own."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import (
    HTTPError,
    InvalidChunkLength,
    InvalidHeader as InvalidHeaderError,
    NameResolutionError,
    SSLError,
)

from .sockets import PIECE, Call, TooLate, Unreadable, session_for

if TYPE_CHECKING:
    from requests.auth import AuthBase

#: Of an error's body only a code and a wait are read.
MAX_ERROR_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Received:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
    response = session_for(call, owner, url).request(
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
