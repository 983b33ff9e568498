"""What Azure answers on a bad day, each as somebody saw it or a document has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from ..fault_server import Reply, body, status
from .wire import gateway, json_reply


def throttled(kind: str, seconds: int = 7) -> Reply:
    """429 that says in its own way how long to wait.

    ``kind`` is one of ``THROTTLED``. No Content Safety capture is public: the shapes
    are those of sibling services behind the same gateway.
    """
    words = "Requests have exceeded rate limit of your current F0 pricing tier."
    if kind == "seconds":
        return gateway(429, words, retry_after=str(seconds))
    if kind == "date":
        today = datetime.now(UTC).replace(microsecond=0)
        until = today + timedelta(seconds=seconds)
        return gateway(
            429,
            words,
            date=format_datetime(today, usegmt=True),
            retry_after=format_datetime(until, usegmt=True),
        )
    if kind == "milliseconds":
        return gateway(429, words, retry_after_ms=str(seconds * 1000))
    if kind == "x-ms-milliseconds":
        return gateway(429, words, x_ms_retry_after_ms=str(seconds * 1000))
    if kind == "words":
        return gateway(429, f"{words} Please retry after {seconds} seconds.")
    if kind == "other words":
        return gateway(429, f"Rate limit is exceeded. Try again in {seconds} seconds.")
    if kind == "service":
        error = {"code": "TooManyRequests", "message": words}
        return json_reply({"error": error}, 429, x_ms_error_code="TooManyRequests")
    if kind == "nothing":
        return status(429)
    raise ValueError(f"no such kind: {kind}")


THROTTLED = (
    "seconds",
    "date",
    "milliseconds",
    "x-ms-milliseconds",
    "words",
    "other words",
    "service",
    "nothing",
)


def quota_spent(wait: str = "20.09:58:55") -> Reply:
    """The month's calls of a free tier are used up: 403, flat, as older gateways do."""
    words = f"Out of call volume quota. Quota will be replenished in {wait}."
    return json_reply({"statusCode": 403, "message": words}, 403)


def server_error(code: int) -> Reply:
    """500, 503 or 504 in the service's own words."""
    name = {500: "InternalError", 503: "ServerBusy"}.get(code, str(code))
    error = {"code": name, "message": "Please try again later."}
    return json_reply({"error": error}, code, x_ms_error_code=name)


def page(code: int = 200) -> Reply:
    """HTML of something in between."""
    return body(b"<html><h1>Sorry</h1></html>", "text/html", code)


def nothing() -> Reply:
    """An empty body that calls itself JSON."""
    return body(b"", "application/json")


def cut(reply: Reply, at: int = -3) -> Reply:
    """The first bytes of ``reply``, with the length of those."""
    return Reply(status=reply.status, headers=dict(reply.headers), body=reply.body[:at])
