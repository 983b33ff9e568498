"""Operations: who names them, and where they are asked for."""

from __future__ import annotations

from uuid import uuid4

from ..fault_server import Reply
from . import limits
from .call import Call
from .wire import invalid, json_reply


def named(call: Call) -> str:
    """The id that the client gives, or one of the service's own."""
    id = call.request.headers.get("operation-id", "") or str(uuid4())
    if len(id) > limits.MAX_NAME or not limits.NAME.fullmatch(id):
        raise invalid("Operation-Id must have letters, digits and inner hyphens only.")
    return id


def must_be_new(call: Call, id: str) -> None:
    """Refuse an id that was given before."""
    if id in call.state.operations:
        raise call.assumed("operation exists", "There is such an operation already.")


def accepted(call: Call, path: str, id: str) -> Reply:
    """It has begun, and can be asked for below ``path``."""
    location = f"{call.origin}/contentsafety{path}{id}?api-version={call.version}"
    return json_reply(
        {"id": id, "status": "NotStarted"},
        202,
        operation_id=id,
        operation_location=location,
    )
