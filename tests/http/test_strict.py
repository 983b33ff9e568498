"""JSON as it should be, and nothing that is only nearly so."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.http.strict import MAX_DEPTH, NotStrict, parse_json


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"{}"', "not a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e400}', "beyond"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "twice"),
        (b'{"a": "\\ud800"}', "stored"),
        (b'{"\\udfff": 1}', "stored"),
        (b'{"a": ["\\u0000"]}', "stored"),
        (b'{"a": ' + b"[" * 100_000, "deep"),
        (b'{"a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}", "deep"),
        (b'{"a": ' * 20_000 + b"1" + b"}" * 20_000, "deep"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "deep"),
    ],
)
def test_what_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(NotStrict, match=problem) as caught:
        parse_json(data)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5e0, "x", null, true, {"b": {}}]}\n', None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    ],
)
def test_what_is_read(data: bytes, value: object) -> None:
    assert parse_json(data) == (value or json.loads(data.decode("utf-8-sig")))


def test_the_depth_is_counted_to_the_level() -> None:
    levels = MAX_DEPTH - 1
    fits = b'{"a": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"
    assert parse_json(fits)
    with pytest.raises(NotStrict, match="deep"):
        parse_json(fits.replace(b"[]", b"[[1]]"))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_are_an_object_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except NotStrict:
        return
    assert isinstance(value, dict)
    assert parse_json(json.dumps(value).encode()) == value
