"""Malformed answers, grown from good ones: JSON, bytes and heads that nobody promised.

No change here turns a value into another one that the protocol has: what is left is
never a good answer that says less, unless it lost an entry of a list that may be empty.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

from django_contentsafety.testing.fault_server import Reply

Place = tuple[str | int, ...]

JUNK: list[st.SearchStrategy[Any]] = [
    st.none(),
    st.booleans(),
    st.integers(max_value=-1) | st.integers(min_value=8),
    st.floats(allow_nan=False, min_value=1.1) | st.floats(max_value=-0.1),
    st.text(max_size=9),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
]
#: Which of them are no junk in the place of a value of this type.
SAME = {
    type(None): [0],
    bool: [1],
    int: [],
    float: [],
    str: [],
    list: [5],
    dict: [6],
}
CHANGES = ("junk", "junk", "junk", "gone", "renamed", "twice", "deeper", "root")

TYPES = [
    "",
    "text/html",
    "application/jsonp",
    "application/json; charset=utf-16",
    "*/*",
]
LINES = [
    *(f"HTTP/1.1 {code} X" for code in (101, 201, 203, 204, 206, 299)),
    *(f"HTTP/1.1 {code} X" for code in (301, 304, 400, 404, 409, 418, 429)),
    *(f"HTTP/1.1 {code} X" for code in (500, 503, 599, 600, 999)),
    "HTTP/1.1 20 OK",
    "HTTP/1.1 abc",
    "HTTP/9",
    "SSH-2.0-x",
    "",
]


def places(data: Any) -> list[Place]:
    """The way to every value in ``data``, itself last."""
    found: list[Place] = []
    members = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for name, value in members:
        found += [(name, *rest) for rest in places(value)]
    return [*found, ()]


def _junk(draw: Any, value: Any, known: frozenset[str]) -> Any:
    kinds = [kind for at, kind in enumerate(JUNK) if at not in SAME[type(value)]]
    chosen = draw(st.sampled_from(kinds))
    return draw(chosen.filter(lambda found: str(found) not in known))


@st.composite
def broken_json(draw: Any, body: bytes, known: frozenset[str]) -> bytes:
    """``body`` with one change; ``known`` are words that would mean something."""
    data = json.loads(body)
    root = {"root": copy.deepcopy(data)}
    place = ("root", *draw(st.sampled_from(places(data))))
    parent: Any = root
    for step in place[:-1]:
        parent = parent[step]
    name, change = place[-1], draw(st.sampled_from(CHANGES))
    value = parent[name]
    if change == "gone" and parent is not root:
        del parent[name]
    elif change == "renamed" and isinstance(name, str):
        parent[draw(st.text(max_size=5))] = parent.pop(name)
    elif change == "twice" and isinstance(value, list):
        parent[name] = value * 2
    elif change == "deeper":
        parent[name] = draw(st.sampled_from([{"value": value}, [value], [[value]]]))
    elif change == "root":
        root = {"root": draw(st.sampled_from([None, 1, "x", [], {}, [data]]))}
    else:
        parent[name] = _junk(draw, value, known)
    # Renamed, it may be the root that is gone.
    return json.dumps(root.get("root")).encode()


@st.composite
def broken_bytes(draw: Any, body: bytes) -> bytes:
    """``body`` as no strict reader takes it."""
    at = draw(st.integers(0, max(len(body) - 1, 0)))
    evil = draw(st.sampled_from([b"\xff", b"\xc0", b"\x00", b"\x01", b"\x7f\x80"]))
    kind = draw(st.sampled_from(["cut", "any", "byte", "behind", "utf-16", "nan"]))
    if kind == "cut":
        return body[:at]
    if kind == "any":
        return draw(st.binary(min_size=1, max_size=20))
    if kind == "byte":
        return body[:at] + evil + body[at:]
    if kind == "behind":
        return body + evil
    if kind == "utf-16":
        return body.decode().encode("utf-16")
    return (
        body[:at] + draw(st.sampled_from([b"NaN", b"1e999", b'"\\ud800"'])) + body[at:]
    )


@st.composite
def broken_head(draw: Any, reply: Reply) -> bytes:
    """``reply`` under a head that is not its own."""
    line, length = f"HTTP/1.1 {reply.status} X", len(reply.body)
    headers = {"Content-Type": "application/json", "Content-Length": str(length)}
    kind = draw(st.sampled_from(["type", "length", "coding", "chunks", "line", "line"]))
    if kind == "type":
        headers["Content-Type"] = draw(st.sampled_from(TYPES))
    elif kind == "length":
        headers["Content-Length"] = str(draw(st.integers(0, 2 * length + 9)))
    elif kind == "coding":
        headers["Content-Encoding"] = draw(st.sampled_from(["br", "gzip", "x", "zstd"]))
    elif kind == "chunks":
        del headers["Content-Length"]
        headers["Transfer-Encoding"] = "chunked"
    else:
        line = draw(st.sampled_from(LINES))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{line}\r\n{head}\r\n".encode() + reply.body


@st.composite
def broken(draw: Any, reply: Reply, known: frozenset[str] = frozenset()) -> Reply:
    """Something that came in the place of ``reply``."""
    kind = draw(st.sampled_from(["json", "json", "json", "bytes", "head"]))
    if kind == "head":
        return Reply(raw=draw(broken_head(reply)), then="close")
    if kind == "json" and reply.body:
        content = draw(broken_json(reply.body, known))
    else:
        content = draw(broken_bytes(reply.body))
    return Reply(
        status=reply.status,
        headers={"Content-Type": "application/json"},
        body=content,
    )
