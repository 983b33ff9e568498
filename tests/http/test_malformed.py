"""Thousands of malformed answers: each an error of the family, none a verdict.

Every answer here is a broken *allow*: were it read carelessly, nothing would be found.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from django_contentsafety.decisions import DecisionValue, Rule, decide
from django_contentsafety.exceptions import ProviderError
from django_contentsafety.http import close_sessions
from django_contentsafety.testing.fault_server import FaultServer, Reply, answer
from django_contentsafety.testing.remote import RemoteProvider

from .conftest import ASKED, FINE, remote

#: How many answers each test grows; together at least 2,000 (issue: M).
COUNTS = {"json": 1000, "bytes": 700, "heads": 500}
FINE_BYTES = json.dumps(FINE).encode()

RULES = [
    Rule(provider="remote", category=name, scale=scale, review_at=at, block_at=None)
    for name in ASKED
    for scale, at in (("score", 0.5), ("severity", 4), ("detected", 1))
]

Ask = Callable[[Reply], str]


@pytest.fixture(scope="module")
def asked() -> Iterator[Counter[str]]:
    """What came of each test's answers, by error code; "allow" must never occur."""
    yield Counter()


@pytest.fixture(scope="module")
def ask(asked: Counter[str]) -> Iterator[Ask]:
    with FaultServer(answer(FINE)) as server:
        provider = remote(server.url)
        # The control: unbroken, it is an allow.
        assert outcome(provider) == DecisionValue.ALLOW

        def ask(reply: Reply) -> str:
            server.play(reply)
            found = outcome(provider)
            asked[found] += 1
            return found

        yield ask
        close_sessions()


def outcome(provider: RemoteProvider) -> str:
    try:
        (verdict,) = provider.analyze(["text"], ASKED)
    except ProviderError as error:
        return error.code
    return decide(RULES, {"remote": verdict}).value


def test_there_are_enough() -> None:
    assert sum(COUNTS.values()) >= 2000


# Broken JSON: each of these changes takes away something that an answer needs.

junk: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
not_a_score = (
    junk | st.booleans() | st.floats(max_value=-1e-9) | st.integers(min_value=2)
)
not_a_severity = junk | st.booleans() | st.floats() | st.integers(min_value=8)
not_detected = junk | st.integers() | st.floats()
not_a_category = st.one_of(
    st.none(), st.integers(), st.booleans(), st.text(max_size=9), st.just("hate")
)
not_scores = junk | st.integers() | st.just({"0": FINE["scores"][0]})
VALUES = {
    "score": not_a_score,
    "severity": not_a_severity | st.integers(max_value=-1),
    "detected": not_detected,
    "category": not_a_category,
}


CHANGES = [
    "value",
    "missing",
    "drop",
    "twice",
    "more",
    "scores",
    "no_scores",
    "entry",
    "nested",
    "root",
]


@st.composite
def broken(draw: Any) -> bytes:
    """A fine answer that lost something, written in any way JSON allows."""
    data: Any = copy.deepcopy(FINE)
    scores, place = data["scores"], draw(st.integers(0, 1))
    kind = draw(st.sampled_from(CHANGES))
    name = draw(st.sampled_from(sorted(VALUES)))
    if kind == "value":
        scores[place][name] = draw(VALUES[name])
    elif kind == "missing":
        del scores[place][name]
    elif kind == "drop":
        del scores[place:]
    elif kind == "twice":
        scores.append(copy.deepcopy(scores[place]))
    elif kind == "more":
        extra = draw(st.text(max_size=8).filter(lambda text: text not in ASKED))
        scores.append({**scores[0], "category": extra})
    elif kind == "scores":
        data["scores"] = draw(not_scores)
    elif kind == "no_scores":
        data[draw(st.sampled_from(["Scores", "score", ""]))] = data.pop("scores")
    elif kind == "entry":
        scores[place] = draw(junk | st.integers())
    elif kind == "nested":
        data = {draw(st.sampled_from(["result", "data"])): data}
    else:
        data = draw(st.sampled_from([[data], None, 1, "x", data["scores"]]))
    return json.dumps(data, indent=draw(st.sampled_from([None, 1]))).encode()


@settings(max_examples=COUNTS["json"], database=None)
@given(content=broken())
def test_broken_json_is_no_answer(ask: Ask, content: bytes) -> None:
    reply = Reply(headers={"Content-Type": "application/json"}, body=content)
    assert ask(reply) == "protocol"


# Broken bytes: no strict reader takes them, whatever a lenient one would do.

LENIENT = [
    FINE_BYTES.replace(b"0.0", b"NaN", 1),
    FINE_BYTES.replace(b"0.0", b"-Infinity", 1),
    FINE_BYTES.replace(b"0.0", b"1e999", 1),
    FINE_BYTES.replace(b"0.0", b"00.0", 1),
    FINE_BYTES.replace(b'"severity": 0', b'"severity": 7, "severity": 0', 1),
    FINE_BYTES.replace(b'{"scores"', b'{"scores": [], "scores"', 1),
    FINE_BYTES.replace(b'"Hate"', b'"Hat\\ud800"', 1),
    FINE_BYTES.replace(b'"Hate"', b'"Hate\\u0000"', 1),
    FINE_BYTES.replace(b"false", b"False", 1),
    FINE_BYTES.replace(b'"', b"'"),
    FINE_BYTES[:-1] + b', "a": ' + b"[" * 100_000,
    FINE_BYTES[:-1] + b', "a": ' + b"[" * 200 + b"]" * 200 + b"}",
    FINE_BYTES[:-1] + b',"a":' + b"9" * 5000 + b"}",
    FINE_BYTES.decode().encode("utf-16"),
    FINE_BYTES.decode().encode("utf-16-le"),
]


@st.composite
def broken_bytes(draw: Any) -> bytes:
    place = draw(st.integers(0, len(FINE_BYTES) - 1))
    garbage = draw(st.binary(min_size=1, max_size=20))
    kind = draw(st.sampled_from(["cut", "any", "lenient", "byte", "behind", "two"]))
    if kind == "cut":
        return FINE_BYTES[:place]
    if kind == "any":
        return garbage
    if kind == "lenient":
        return draw(st.sampled_from(LENIENT))
    if kind == "byte":
        # Bytes that UTF-8 never has, and controls that JSON has nowhere.
        evil = draw(st.sampled_from([b"\xff", b"\xc0", b"\x00", b"\x01", b"\x7f\x80"]))
        return FINE_BYTES[:place] + evil + FINE_BYTES[place:]
    if kind == "behind":
        return FINE_BYTES + b"\xfe" + garbage
    return FINE_BYTES + draw(st.sampled_from([b"", b"\n", b","])) + FINE_BYTES


@settings(max_examples=COUNTS["bytes"], database=None)
@given(content=broken_bytes())
def test_broken_bytes_are_no_answer(ask: Ask, content: bytes) -> None:
    reply = Reply(headers={"Content-Type": "application/json"}, body=content)
    assert ask(reply) == "protocol"


# Broken heads around a body that would be fine.

TYPES = st.sampled_from(
    [
        "text/html",
        "text/plain",
        "application/jsonp",
        "application/xml",
        "json",
        "multipart/form-data",
        "application/json;charset=latin-1",
        "*/*",
        ";",
        "a/b+json",
    ]
)
token = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=9)


@st.composite
def broken_head(draw: Any) -> bytes:
    line = "HTTP/1.1 200 OK"
    kind = draw(
        st.sampled_from(["type", "length", "coding", "chunks", "line", "lines"])
    )
    headers = [f"Content-Length: {len(FINE_BYTES)}", "Content-Type: application/json"]
    content = FINE_BYTES
    if kind == "type":
        headers[1] = f"Content-Type: {draw(TYPES)}"
        if draw(st.booleans()):
            del headers[1]
    elif kind == "length":
        # More than there is, less, or none at all.
        wrong = draw(st.integers(0, 400).filter(lambda n: n != len(FINE_BYTES)))
        headers[0] = f"Content-Length: {wrong}"
    elif kind == "coding":
        coding = draw(token.filter(lambda name: name not in ("identity", "x-gzip")))
        headers.append(f"Content-Encoding: {coding}")
    elif kind == "chunks":
        headers[0] = "Transfer-Encoding: chunked"
        size = draw(st.sampled_from(["", "zz", "-1", "1" * 30, "5", "0", "fffff"]))
        content = f"{size}\r\n".encode() + FINE_BYTES
    elif kind == "line":
        line = draw(
            st.text(
                st.characters(min_codepoint=33, max_codepoint=255), max_size=30
            ).filter(lambda text: not text.upper().startswith("HTTP/"))
            | st.sampled_from(["HTTP/1.1 20 OK", "HTTP/1.1 abc", "HTTP/9", "HTTP/1.1"])
            | st.integers(300, 999).map("HTTP/1.1 {} No".format)
            | st.sampled_from([101, 102, 201, 204, 205, 206]).map(
                "HTTP/1.1 {} X".format
            )
        )
    else:
        junk = draw(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
        headers.insert(0, junk.replace(":", "") + "!")
    head = "\r\n".join([line, *headers])
    return head.encode("latin-1") + b"\r\n\r\n" + content


@settings(max_examples=COUNTS["heads"], database=None)
@given(raw=broken_head())
def test_a_broken_head_is_no_answer(ask: Ask, raw: bytes) -> None:
    found = ask(Reply(raw=raw, then="close"))
    assert found not in list(DecisionValue)
    assert found != "bug"


def test_so_many_were_asked_and_none_was_allowed(
    asked: Counter[str], request: pytest.FixtureRequest
) -> None:
    chosen = {item.name.partition("[")[0] for item in request.session.items}
    if "test_a_broken_head_is_no_answer" not in chosen or hasattr(
        request.config, "workerinput"
    ):
        return
    assert asked[DecisionValue.ALLOW] == 0
    assert sum(asked.values()) >= sum(COUNTS.values())
