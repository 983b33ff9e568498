from __future__ import annotations

import hashlib
import json
import logging
import pickle
import traceback
import tracemalloc

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.errors import SampleError
from django_contentsafety.engine.samples import (
    MAX_ERRORS,
    Sample,
    parse_jsonl,
    text_hash,
    write_jsonl,
)

from .tricky import any_text

SECRET = "a private sentence that no error may quote"
GOOD = b'{"text": "good", "isPositive": false}\n'

#: Each kind of bad line, and the code of the error that it must give.
BAD_LINES = {
    "words": (b"just words", "not_json"),
    "single quotes": (b"{'text': 'x'}", "not_json"),
    "cut short": (b'{"text": "' + SECRET.encode(), "not_json"),
    "two objects": (b'{"text": "x"} {"text": "y"}', "not_json"),
    "raw tab": (b'{"text": "a\tb"}', "not_json"),
    "long number": (b'{"text": "x", "n": ' + b"9" * 100_000 + b"}", "not_json"),
    "deep list": (b"[" * 100_000, "too_deep"),
    "deep object": (b'{"text":' * 100_000, "too_deep"),
    "list": (b'["x"]', "not_object"),
    "string": (json.dumps(SECRET).encode(), "not_object"),
    "null": (b"null", "not_object"),
    "no text": (b'{"isPositive": true}', "no_text"),
    "other case": (b'{"Text": "x"}', "no_text"),
    "text number": (b'{"text": 1}', "text_not_string"),
    "text null": (b'{"text": null}', "text_not_string"),
    "text list": (b'{"text": ["x"]}', "text_not_string"),
    "text empty": (b'{"text": ""}', "text_blank"),
    "text blank": (b'{"text": " \\n\\u00a0 "}', "text_blank"),
    "label string": (b'{"text": "x", "isPositive": "true"}', "label_not_boolean"),
    "label number": (b'{"text": "x", "isPositive": 1}', "label_not_boolean"),
    "label null": (b'{"text": "x", "isPositive": null}', "label_not_boolean"),
    "label misspelled": (b'{"text": "x", "is_positive": false}', "misspelled_key"),
    "label mistyped": (b'{"text": "x", "isPostive": false}', "misspelled_key"),
    "label renamed": (b'{"text": "x", "label": 0}', "misspelled_key"),
    "latin 1": (b'{"text": "caf\xe9"}', "not_utf8"),
    "utf 16": ('{"text": "x"}'.encode("utf-16"), "not_utf8"),
    "encoded surrogate": (b'{"text": "\xed\xa0\x80"}', "not_utf8"),
    "raw nul": (b'{"text": "a\x00b"}', "nul"),
    "escaped nul": (b'{"text": "a\\u0000b"}', "nul"),
    "high surrogate": (b'{"text": "a\\ud800"}', "lone_surrogate"),
    "low surrogate": (b'{"text": "\\udc00a"}', "lone_surrogate"),
    "key twice": (b'{"text": "x", "text": "y"}', "duplicate_key"),
    "label twice": (
        b'{"text": "x", "isPositive": true, "isPositive": false}',
        "duplicate_key",
    ),
    "nan": (b'{"text": "x", "n": NaN}', "not_finite"),
    "infinity": (b'{"text": "x", "n": [-Infinity]}', "not_finite"),
    "too long": (b'{"text": "' + b"x" * 1_000_000 + b'"}', "line_too_long"),
    "same text": (b'{"text": " good ", "isPositive": false}', "duplicate"),
    "other label": (b'{"text": "good"}', "contradiction"),
}


def codes(parsed):
    return [(error.line, error.code) for error in parsed.errors]


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_named_and_the_others_are_read(kind):
    line, code = BAD_LINES[kind]
    parsed = parse_jsonl(GOOD + line + b'\n{"text": "last"}\n')
    assert codes(parsed) == [(2, code)]
    assert parsed.samples == (
        (1, Sample(text="good", is_positive=False)),
        (3, Sample(text="last", is_positive=True)),
    )


@pytest.mark.parametrize("kind", BAD_LINES)
def test_an_error_says_what_to_do_and_quotes_nothing(kind, caplog):
    (error,) = parse_jsonl(GOOD + BAD_LINES[kind][0]).errors
    assert error.message.endswith(".")
    assert error.remedy
    assert str(error).startswith("Line 2: ")
    assert len(str(error)) < 200
    with caplog.at_level(logging.ERROR):
        logging.getLogger("test").error("refused", exc_info=error)
    shown = caplog.text + "".join(traceback.format_exception(error)) + repr(error)
    assert SECRET not in shown
    # Nothing that hangs on the error keeps the text alive either.
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.__traceback__ is None


@pytest.mark.parametrize(
    ("data", "samples"),
    [
        (b"", []),
        (b"\n \r\n\t\n", []),
        (b'{"text": "x"}', [(1, "x", True)]),
        (b'\xef\xbb\xbf{"text": "x"}\r\n', [(1, "x", True)]),
        (b'\n  {"text": " x "}  \n', [(2, " x ", True)]),
        (b'{"isPositive": false, "text": "x", "id": 7}\n', [(1, "x", False)]),
        ('{"text": "a\u2028b\u0085c\x0bd"}'.replace("\x0b", "\\u000b").encode(),
         [(1, "a\u2028b\u0085c\x0bd", True)]),
        (b'{"text": "\\ud83d\\ude00"}', [(1, "\U0001f600", True)]),
        (b'{"text": "x"}\n{"text": "X"}', [(1, "x", True), (2, "X", True)]),
    ],
)  # fmt: skip
def test_what_is_accepted(data, samples):
    parsed = parse_jsonl(data)
    assert parsed.errors == ()
    assert [
        (line, sample.text, sample.is_positive) for line, sample in parsed.samples
    ] == samples


def test_a_mark_of_order_is_only_dropped_at_the_start():
    line = b'\xef\xbb\xbf{"text": "x"}\n'
    assert codes(parse_jsonl(b"\n" + line)) == [(2, "not_json")]


def test_an_offset_tells_where_the_bytes_are_wrong():
    (error,) = parse_jsonl(b'{"text": "caf\xe9"}').errors
    assert "byte 13 " in error.message


def test_a_repeat_names_the_first_line():
    parsed = parse_jsonl(b'\n{"text": "x"}\n{"text": "x "}\n')
    (error,) = parsed.errors
    assert error.line == 3
    assert "line 2." in error.message


def test_long_lines_count_for_nothing_but_their_number():
    data = b"x" * 3_000_000 + b"\n" + GOOD
    parsed = parse_jsonl(data, max_line_bytes=100)
    assert codes(parsed) == [(1, "line_too_long")]
    assert [line for line, _ in parsed.samples] == [2]


def test_a_line_that_is_too_long_is_not_kept_in_memory():
    tracemalloc.start()
    try:
        parsed = parse_jsonl(b"x" * 100_000 for _ in range(190))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codes(parsed) == [(1, "line_too_long")]
    assert peak < 4_000_000


def test_a_line_at_the_limit_is_read():
    line = GOOD.rstrip()
    assert not parse_jsonl(line, max_line_bytes=len(line)).errors
    assert parse_jsonl(line, max_line_bytes=len(line) - 1).errors


def test_a_file_at_the_limit_is_read_and_no_byte_beyond():
    assert not parse_jsonl(GOOD, max_bytes=len(GOOD)).errors

    def endless():
        yield GOOD
        for _ in range(3):
            yield b" " * 100
        pytest.fail("read on past the limit")

    parsed = parse_jsonl(endless(), max_bytes=250)
    assert codes(parsed) == [(None, "file_too_big")]
    assert len(parsed.samples) == 1
    assert "250 bytes" in str(parsed.errors[0])


def test_errors_are_listed_to_a_limit_and_then_counted():
    parsed = parse_jsonl(b"wrong\n" * (MAX_ERRORS + 40) + GOOD)
    assert len(parsed.errors) == MAX_ERRORS + 1
    last = parsed.errors[-1]
    assert (last.line, last.code) == (None, "further_errors")
    assert "40 more" in last.message
    assert len(parsed.samples) == 1


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(
    lambda text: text.strip() and "\0" not in text
)
samples = st.lists(
    st.builds(Sample, text=texts, is_positive=st.booleans()),
    unique_by=lambda sample: sample.text.strip(),
)


@given(samples, st.integers(1, 9))
def test_what_is_written_is_read_back_in_any_chunks(samples, size):
    data = write_jsonl(samples)
    assert write_jsonl(samples) == data
    assert not data or data.endswith(b"\n")
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    for parsed in (parse_jsonl(data), parse_jsonl(chunks)):
        assert parsed.errors == ()
        assert parsed.samples == tuple(enumerate(samples, start=1))


def test_the_format_is_azures():
    written = write_jsonl(
        [
            Sample(text="caf\u00e9 \u2028 \"x\"\n", is_positive=True),
            Sample(text="no", is_positive=False),
        ]
    )  # fmt: skip
    assert (
        written
        == (
            '{"text": "caf\u00e9 \u2028 \\"x\\"\\n", "isPositive": true}\n'
            '{"text": "no", "isPositive": false}\n'
        ).encode()
    )


@pytest.mark.parametrize("text", ["", " ", "a\x00", "a\ud800"])
def test_what_no_line_can_hold_is_not_written(text):
    fine = Sample(text="fine", is_positive=True)
    with pytest.raises(SampleError) as caught:
        write_jsonl([fine, Sample(text=text, is_positive=True)])
    assert caught.value.line == 2


@given(st.binary(), st.lists(st.sampled_from([line for line, _ in BAD_LINES.values()])))
def test_no_bytes_make_it_raise(data, lines):
    parsed = parse_jsonl(data + b"\n".join(lines[:4]))
    assert all(isinstance(error, SampleError) for error in parsed.errors)


@given(any_text)
def test_a_hash_ignores_the_space_around(text):
    assert text_hash(f" \n{text}\t") == text_hash(text)
    assert len(text_hash(text)) == 64


def test_a_hash_is_plain_sha256():
    assert text_hash(" caf\u00e9 ") == hashlib.sha256("caf\u00e9".encode()).hexdigest()


def test_errors_survive_pickling():
    (error,) = parse_jsonl(b"wrong").errors
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (copy.line, copy.code, copy.message, copy.remedy) == (
        error.line,
        error.code,
        error.message,
        error.remedy,
    )
