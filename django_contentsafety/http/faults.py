"""From an answer that is no answer to the error that says what happens next.

The table is reliability.md §7.4, in docs/reference/providers.md for readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ..exceptions import (
    AuthenticationFailed,
    Conflict,
    ContentError,
    Gone,
    Misconfigured,
    NetworkError,
    NotFound,
    ProtocolError,
    ProviderError,
    RateLimited,
    ServerError,
    TooLarge,
)
from .strict import NotStrict, parse_json

#: Seconds: the bounds of any wish to wait (reliability.md §7.4).
MIN_WAIT, MAX_WAIT = 1.0, 900.0
#: Seconds to wait where a throttling answer doesn't say: Azure counts by ten seconds.
DEFAULT_WAIT = 10.0

#: Headers that identify a call, the first found counts.
_REQUEST_IDS = (
    "x-ms-request-id",
    "apim-request-id",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "traceparent",
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:|/=+-]{1,128}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_WORDS = re.compile(
    r"(?:retry after|try again in)\s{1,9}([0-9]{1,9})\s{1,9}second", re.IGNORECASE
)
_SPENT = re.compile(r"out of call volume quota", re.IGNORECASE)
_REPLENISHED = re.compile(
    r"replenished in\s{1,9}(?:([0-9]{1,4})\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2})",
    re.IGNORECASE,
)

_CLASSES: Mapping[int, type[ProviderError]] = {
    400: ContentError,
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    408: NetworkError,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: ContentError,
    422: ContentError,
    425: NetworkError,
}
_ADVICE: Mapping[type[ProviderError], str] = {
    AuthenticationFailed: ": check its key or credential, and its endpoint",
    Gone: ": there is no such service (any more)",
}

#: Whether a word from the answer only repeats what was sent.
Echo = Callable[[str], bool]


def fault(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    alias: str,
    echo: Echo,
    who: str = "",
) -> ProviderError:
    """The error for an answer with this status, which nobody asked for.

    ``who`` answered, in words; else it is the provider.
    """
    code, words = _error_in(headers, body)
    shown = "" if echo(code) and code != str(status) else code
    facts: dict[str, Any] = {
        "alias": alias,
        "status": status,
        "service_code": shown,
        "request_id": request_id(headers, echo),
    }
    wait = wait_of(headers, words)
    said = f"{who or f'The provider {alias!r}'} answered HTTP {status}"
    said += f" ({shown})" if shown and shown != str(status) else ""
    if status == 429 or (status == 403 and _SPENT.search(words)):
        return RateLimited(
            f"{said}: its quota is used up.", retry_after=wait or DEFAULT_WAIT, **facts
        )
    if status == 503:
        facts["retry_after"] = wait
    kind = _kind(status, code)
    advice = _ADVICE.get(kind, "")
    if 300 <= status < 400:
        advice = ", a redirect, which is not followed: correct the endpoint"
    return kind(f"{said}{advice}.", **facts)


def request_id(headers: Mapping[str, str], echo: Echo) -> str:
    """What the provider calls this call; empty where it says nothing usable."""
    for name in _REQUEST_IDS:
        value = headers.get(name, "").strip()
        if _REQUEST_ID.fullmatch(value) and not echo(value):
            return value
    return ""


def wait_of(headers: Mapping[str, str], words: str) -> float | None:
    """Seconds to wait, within bounds; None where the answer says nothing of it."""
    for read in (_seconds, _until, _milliseconds):
        seconds = read(headers)
        if seconds is not None:
            return min(max(seconds, MIN_WAIT), MAX_WAIT)
    seconds = _spoken(words)
    return None if seconds is None else min(max(seconds, MIN_WAIT), MAX_WAIT)


def _kind(status: int, code: str) -> type[ProviderError]:
    if status == 404:
        # A service that is there has a word for what it misses; a gateway that knows
        # no such service repeats the status, or shows a page.
        return NotFound if code not in ("", "404") else Gone
    if status in _CLASSES:
        return _CLASSES[status]
    if 300 <= status < 500:
        # Also those the table doesn't name, as 405 or 451: no text is to blame.
        return Misconfigured
    return ServerError if 500 <= status < 600 else ProtocolError


def _error_in(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """The answer's own code and words, from any of the shapes in use."""
    code, words = "", body[:4096].decode("utf-8", "replace")
    try:
        answer = parse_json(body)
    except NotStrict:
        answer = {}
    inner = answer.get("error")
    for shape in (inner if isinstance(inner, dict) else {}, answer):
        found, said = shape.get("code"), shape.get("message")
        if not code and isinstance(found, str) and _CODE.fullmatch(found):
            code = found
        if isinstance(said, str):
            words = said[:4096]
            break
    named = headers.get("x-ms-error-code", "").strip()
    return code or (named if _CODE.fullmatch(named) else ""), words


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    return float(value) if _NUMBER.fullmatch(value) else None


def _until(headers: Mapping[str, str]) -> float | None:
    until = _date(headers.get("retry-after", ""))
    if until is None:
        return None
    # By the provider's own clock where it shows it: ours may be off.
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return (until - now).total_seconds()


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) / 1000
    return None


def _spoken(words: str) -> float | None:
    if found := _WORDS.search(words):
        return float(found[1])
    if found := _REPLENISHED.search(words):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        whole = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return whole.total_seconds()
    return None


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value[:64])
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    # "-0000" gives a naive one, which means UTC as well.
    return date if date.tzinfo else date.replace(tzinfo=UTC)
