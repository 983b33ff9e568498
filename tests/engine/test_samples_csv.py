"""Samples from spreadsheets and plain lines: the same samples, the same refusals."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import given, strategies as st

from django_contentsafety.engine.samples import Sample, parse_jsonl, write_jsonl
from django_contentsafety.engine.samples_csv import (
    parse_csv,
    parse_lines,
    parse_samples,
)

SECRET = "a private sentence that no error may quote"

#: Texts that a file can hold: no blank ones, NUL or surrogates, each once.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1
).filter(str.strip)
samples = st.lists(
    st.builds(Sample, text=texts, is_positive=st.booleans()),
    min_size=1,
    unique_by=lambda sample: sample.text.strip(),
)


def write_csv(rows: list[Sample], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["id", "isPositive", "Text"])
    for number, sample in enumerate(rows):
        writer.writerow([number, str(sample.is_positive).lower(), sample.text])
    return out.getvalue().encode()


@given(samples, st.sampled_from([",", ";", "\t"]))
def test_what_a_spreadsheet_writes_is_read(rows: list[Sample], delimiter: str) -> None:
    data = write_csv(rows, delimiter)
    for parsed in (parse_csv(data), parse_samples(data)):
        assert parsed.errors == ()
        assert [sample for _, sample in parsed.samples] == rows


@given(samples)
def test_json_lines_are_told_apart(rows: list[Sample]) -> None:
    data = write_jsonl(rows)
    assert parse_samples(data, is_positive=True) == parse_jsonl(data)


@given(st.binary(max_size=300), st.sampled_from([None, True, False]))
def test_nothing_that_a_file_holds_raises(data: bytes, label: bool | None) -> None:
    for parsed in (
        parse_samples(data, is_positive=label),
        parse_csv(b"text,label\n" + data),
        parse_lines(data, is_positive=True),
    ):
        for error in parsed.errors:
            assert error.message
            assert error.remedy


def test_plain_lines_have_the_label_that_was_said() -> None:
    parsed = parse_samples("\ufeff one \n\n two".encode(), is_positive=False)
    assert parsed.errors == ()
    assert parsed.samples == (
        (1, Sample(text="one", is_positive=False)),
        (3, Sample(text="two", is_positive=False)),
    )
    (error,) = parse_samples(b"one").errors
    assert error.code == "not_json"


def test_a_text_may_hold_newlines_and_the_error_names_its_last_line() -> None:
    data = b'text,label\n"a\nb",1\n"c\nd",maybe\n'
    parsed = parse_csv(data)
    assert parsed.samples == ((3, Sample(text="a\nb", is_positive=True)),)
    (error,) = parsed.errors
    assert (error.line, error.code) == (5, "label_not_boolean")


BAD = {
    "no text": (b"label,words\n1,x\n", 1, "no_text"),
    "empty": (b"", 1, "no_text"),
    "label": (b"text,label\nx,perhaps\n", 2, "label_not_boolean"),
    "no label": (b"text,label\nx,\n", 2, "label_not_boolean"),
    "columns": (b"label,text\n1\n", 2, "too_few_columns"),
    "blank": (b"text,label\n ,1\n", 2, "text_blank"),
    "nul": (b"text\na\0b\n", 2, "nul"),
    "latin 1": (b"text\ncaf\xe9\n", 2, "not_utf8"),
    "repeat": (b"text\nx\n x \n", 3, "duplicate"),
    "contradiction": (b"text,label\nx,1\nx,0\n", 3, "contradiction"),
    "open quote": (b'text\nfine\n"' + SECRET.encode(), 3, "not_csv"),
    "stray quote": (b'text\n"a"b\n', 2, "not_csv"),
    "endless": (b'text\n"' + b"x" * 200_000, 2, "not_csv"),
    "long line": (b"text\n" + b"x" * 1_000_001, 2, "line_too_long"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_with_its_line(case: str) -> None:
    data, line, code = BAD[case]
    (error,) = parse_csv(data).errors
    assert (error.line, error.code) == (line, code)
    assert error.remedy
    assert SECRET not in str(error)


def test_a_large_file_is_not_read_past_its_bound() -> None:
    chunk = b"a row of a spreadsheet, of some length\n" * 1000
    tracemalloc.start()
    try:
        parsed = parse_csv(
            (piece for piece in [b"text\n", *[chunk] * 2000]), max_bytes=2_000_000
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert parsed.errors[-1].code in ("further_errors", "file_too_big")
    assert peak < 20_000_000
