"""What a provider calls: one request, one strict answer, or one error of the family."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any
from urllib.parse import urlencode

from .. import __version__
from ..exceptions import (
    AuthenticationFailed,
    DeadlineExceeded,
    InvalidProvider,
    NetworkError,
    ProtocolError,
    ProviderBug,
    ProviderError,
    describe,
    sealed,
)
from .credentials import HeaderKey, checked_endpoint, path_below
from .deadlines import deadline, is_over
from .faults import fault, request_id
from .sockets import Call
from .strict import NotStrict, parse_json
from .wire import Received, exchange, explain, user_agent

#: The longest answer that is read, in bytes, unpacked.
MAX_BYTES = 1_000_000

#: The errors for what ``wire.explain`` finds.
KINDS: Mapping[str, type[ProviderError]] = {
    "network": NetworkError,
    "protocol": ProtocolError,
    "bug": ProviderBug,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds (reliability.md §3)."""

    #: For a connection, with its TLS handshake: just over TCP's first retransmission.
    connect: float = 3.05
    #: For the next byte.
    read: float = 10.0
    #: For the whole call. Name resolution alone can't be bounded.
    total: float = 15.0

    @classmethod
    def checked(cls, alias: str, **options: object) -> Timeouts:
        """From a provider's options, which may be text; None = the default.

        Raise InvalidProvider for what is no positive number.
        """
        seconds = {}
        for name, value in options.items():
            if value is not None:
                seconds[name] = _seconds(value)
                if not 0 < seconds[name] < 3600:
                    raise InvalidProvider(
                        f"Provider {alias!r}: its {name} timeout must be a number of "
                        "seconds."
                    )
        return cls(**seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked for: an expected status and strict JSON."""

    alias: str
    status: int
    #: Header names in lower case.
    headers: Mapping[str, str] = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    request_id: str

    def unreadable(self, problem: str) -> ProtocolError:
        """To raise where the answer's JSON isn't what the protocol promises.

        ``problem`` goes on after "the answer of provider …" and quotes nothing of it.
        """
        return ProtocolError(
            f"The answer of provider {self.alias!r} {problem}.",
            alias=self.alias,
            status=self.status,
            request_id=self.request_id,
        )


class Client:
    """A remote service as one provider sees it. Safe to share, and to fork with.

    Connections are pooled by thread and process. No redirect is followed, TLS is always
    verified, a connection that can't be made is tried once more, and nothing sleeps.
    """

    @sealed
    def __init__(
        self,
        alias: str,
        endpoint: object,
        *,
        key: HeaderKey,
        second_key: HeaderKey | None = None,
        provider: str,
        timeouts: Timeouts | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Raise InvalidProvider for an endpoint that can't be used.

        ``second_key`` is tried once where the first is refused: keys get rotated.
        ``provider`` is the class's name, for the User-Agent.
        """
        self.alias = alias
        self.endpoint = checked_endpoint(alias, endpoint)
        self.timeouts = timeouts or Timeouts()
        self.max_bytes = max_bytes
        self._keys = [key] if second_key is None else [key, second_key]
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": user_agent(__version__, provider),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @property
    def fingerprint(self) -> str:
        """Tells keys apart and gives none away: of the first one."""
        return self._keys[0].fingerprint

    @sealed
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Collection[int] = (200,),
        may_be_empty: bool = False,
    ) -> Answer:
        """Ask, and return the answer if its status is in ``expect``.

        ``path`` begins with a slash and is quoted already; ``params`` are quoted here
        and must hold no secret. ``may_be_empty`` takes no body for ``{}``.
        Raise a ProviderError for everything else.
        """
        url = self.endpoint + path + (f"?{urlencode(params)}" if params else "")
        sending = {**self._headers, **(headers or {})}
        if json is not None:
            # A merge patch says so itself.
            sending.setdefault("Content-Type", "application/json")
        body = _dump(json)
        until = min(time.monotonic() + self.timeouts.total, deadline())
        for key in self._keys:
            key.renew()
            received = self._receive(method, url, body, sending, key, until)
            outcome = self._judge(received, body, key, expect, may_be_empty)
            if not isinstance(outcome, AuthenticationFailed):
                break
            key.refused()
        if isinstance(outcome, NetworkError) and is_over():
            # Not the provider's fault: its breaker must not count it.
            outcome = DeadlineExceeded(
                f"The provider {self.alias!r} had no time left to answer.",
                alias=self.alias,
            )
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    def get(self, path: str, **options: Any) -> Answer:
        """``request`` with GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """``request`` with POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        """``request`` with PUT."""
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """``request`` with DELETE."""
        return self.request("DELETE", path, **options)

    def path_of(self, location: str) -> str:
        """The path of a URL the service gave (``nextLink``), with its query.

        Raise ProtocolError where it leads elsewhere: the key would travel there.
        """
        path = path_below(self.endpoint, location)
        if path is None:
            raise ProtocolError(
                f"The provider {self.alias!r} named a location that is not its own.",
                alias=self.alias,
            )
        return path

    def _receive(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        key: HeaderKey,
        until: float,
    ) -> Received | ProviderError:
        kind = words = ""
        for again in (True, False):
            call = Call(
                self.timeouts.connect, self.timeouts.read, until, self.max_bytes
            )
            owner = (self.alias, self.endpoint, headers["User-Agent"])
            try:
                return exchange(
                    call, owner, method, url, body=body, headers=headers, auth=key
                )
            except Exception as error:
                kind, words = explain(error, call)
                words = words or f"couldn't be asked ({describe(error)})"
            if kind != "network" or call.sent or not again:
                break
        # Not inside the except: what was caught has frames with key and text.
        return KINDS[kind](f"The provider {self.alias!r} {words}.", alias=self.alias)

    def _judge(
        self,
        received: Received | ProviderError,
        body: bytes | None,
        key: HeaderKey,
        expect: Collection[int],
        may_be_empty: bool,
    ) -> Answer | ProviderError:
        if isinstance(received, ProviderError):
            return received

        def echo(value: str) -> bool:
            return key.shares(value) or value.encode() in (body or b"")

        status, headers = received.status, received.headers
        if status not in expect:
            return fault(status, headers, received.body, alias=self.alias, echo=echo)
        answer = Answer(
            alias=self.alias,
            status=status,
            headers=headers,
            data={},
            request_id=request_id(headers, echo),
        )
        if may_be_empty and not received.body:
            return answer
        problem = _explain_type(headers.get("content-type", ""))
        if not problem:
            try:
                answer.data.update(parse_json(received.body))
            except NotStrict as error:
                problem = str(error)
        return answer.unreadable(problem) if problem else answer


def _dump(value: Mapping[str, Any] | None) -> bytes | None:
    # ASCII, so that a lone surrogate can be sent, and refused by whoever minds.
    return None if value is None else json.dumps(value, allow_nan=False).encode()


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) else 0.0
    except ValueError:
        return 0.0
    return seconds if isfinite(seconds) else 0.0


def _explain_type(content_type: str) -> str:
    """What is wrong with an answer's Content-Type; empty where it is JSON."""
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        return "is not declared as JSON"
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    return "" if charset in ("", "utf-8", "utf8") else "is not declared as UTF-8"
