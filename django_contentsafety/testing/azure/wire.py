"""Replies as the service and the gateway before it write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..fault_server import Reply, body, status

CONTENT_TYPE = "application/json; charset=utf-8"
REGION = "East US"


class Refused(Exception):
    """A request that gets an error; carries it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(data: object, code: int = 200, **headers: str) -> Reply:
    """``data`` as the service writes it. Header names are written with underscores."""
    return body(json.dumps(data).encode(), CONTENT_TYPE, code, **headers)


def empty(code: int, **headers: str) -> Reply:
    """A status alone."""
    return status(code, **headers)


def refused(code: int, name: str, message: str) -> Refused:
    """The service's own error, as one was recorded: with a tail, and no details."""
    message += f" | Request Id: {uuid4()}, Timestamp: {now()[:19]}Z."
    error = {"code": name, "message": message, "details": []}
    return Refused(json_reply({"error": error}, code, x_ms_error_code=name))


def invalid(message: str) -> Refused:
    """The body is not what the API's definition says."""
    return refused(400, "InvalidRequestBody", message)


def gateway(code: int, message: str, **headers: str) -> Reply:
    """An error of the gateway, whose code is the status as text."""
    error = {"code": str(code), "message": message}
    return json_reply({"error": error}, code, x_ms_error_code=str(code), **headers)


def flat(code: int, name: str, message: str) -> Reply:
    """An error of Content Moderator: nothing around it."""
    return json_reply({"code": name, "message": message}, code)


def no_such_path() -> Reply:
    """For a path, and for an API version, that nobody serves."""
    return gateway(404, "Resource not found")


def wrong_key(code: int = 401) -> Reply:
    """The gateway's words for a key it doesn't know."""
    return gateway(
        code,
        "Access denied due to invalid subscription key or wrong API endpoint. Make "
        "sure to provide a valid key for an active subscription and use a correct "
        "regional API endpoint for your resource.",
    )


def signed(reply: Reply) -> Reply:
    """``reply`` with the headers that every answer has."""
    headers = {
        "apim-request-id": str(uuid4()),
        "x-ms-region": REGION,
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
        "X-Content-Type-Options": "nosniff",
        **reply.headers,
    }
    return Reply(status=reply.status, headers=headers, body=reply.body)


def now() -> str:
    """UTC with seven digits of a second, as .NET writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def text_of(data: Any, name: str, longest: int, *, shortest: int = 1) -> str:
    """The text ``name`` of a body, in code points."""
    value = data.get(name)
    if not isinstance(value, str):
        raise invalid(f"Deserialize failed: {name} must be a string.")
    if not shortest <= len(value) <= longest:
        raise invalid(
            f"Deserialize failed: {name} must have {shortest} to {longest} characters."
        )
    return value


def only(data: Any, *names: str) -> dict[str, Any]:
    """The body, if it is an object of these fields and no others."""
    if not isinstance(data, dict):
        raise invalid("Deserialize failed: the body must be an object.")
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise invalid(
            "The fields don't match the API definition: "
            f"{', '.join(str(name)[:40] for name in unknown[:5])}."
        )
    return data
