"""Lists that come in pages, with an absolute link to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from ..fault_server import Reply
from .wire import invalid, json_reply

if TYPE_CHECKING:
    from .call import Call

T = TypeVar("T")


def page(
    call: Call, found: Iterable[T], shown: Callable[[T], Any], *, most: int
) -> Reply:
    """What ``top``, ``skip`` and ``maxpagesize`` leave of ``found``.

    A page has ``most`` entries where the request asks for no other number. The link
    has the shape of one that was recorded: an explicit port, ``skip`` and what is left
    of ``top``, and the API version last.
    """
    entries = list(found)
    skip = _number(call, "skip", 0)
    top = _number(call, "top", len(entries))
    size = max(min(_number(call, "maxpagesize", most), most), 1)
    rest = entries[skip : skip + top]
    answer: dict[str, Any] = {"value": [shown(one) for one in rest[:size]]}
    if len(rest) > size:
        query = {"skip": skip + size, "maxpagesize": size, "api-version": call.version}
        if "top" in call.query:
            query = {"top": top - size, **query}
        answer["nextLink"] = f"{call.origin}{call.path}?{urlencode(query)}"
    return json_reply(answer)


def _number(call: Call, name: str, default: int) -> int:
    value = call.query.get(name)
    if value is None:
        return default
    if not value.isdecimal():
        raise invalid(f"{name} must be a whole number.")
    return int(value)
