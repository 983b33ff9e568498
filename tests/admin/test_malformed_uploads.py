"""Uploads that nobody should make: refused in words, with the line, and not stored."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import (
    HealthCheck,
    given,
    settings as hypothesis_settings,
    strategies as st,
)

from django_contentsafety.models import Category, LogEntry, Sample
from tests.admin.conftest import said

pytestmark = pytest.mark.django_db

GOOD = b'{"text": "a good one", "isPositive": true}\n'
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))


def a_zip(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr(name, GOOD)
    return packed.getvalue()


#: Lines that hold no sample, whatever stands around them → what is said.
BAD_LINES: dict[str, tuple[bytes, str]] = {
    "open brace": (b"{", "not JSON"),
    "cut short": (b'{"text": "a', "not JSON"),
    "single quotes": (b"{'text': 'a'}", "not JSON"),
    "no quotes": (b"{text: a}", "not JSON"),
    "comma at the end": (b'{"text": "a",}', "not JSON"),
    "two objects": (b'{"text": "a"} {"text": "b"}', "not JSON"),
    "Python": (b"{'text': 'a', 'isPositive': True}", "not JSON"),
    "bad escape": (b'{"text": "\\x41"}', "not JSON"),
    "raw tab": (b'{"text": "a\tb"}', "not JSON"),
    "NUL": (b'{"text": "a\x00b"}', "NUL"),
    "NUL, escaped": (b'{"text": "a\\u0000b"}', "NUL"),
    "half a character": (b'{"text": "a\\ud83d"}', "half of a character"),
    "the other half": (b'{"text": "\\ude00a"}', "half of a character"),
    "Latin-1": (b'{"text": "caf\xe9"}', "not UTF-8"),
    "surrogate bytes": (b'{"text": "\xed\xa0\x80"}', "not UTF-8"),
    "overlong": (b'{"text": "\xc0\xaf"}', "not UTF-8"),
    "beyond Unicode": (b'{"text": "\xf5\x80\x80\x80"}', "not UTF-8"),
    "list": (b'["a", true]', "not an object"),
    "text alone": (b'"a"', "not an object"),
    "number": (b"5", "not an object"),
    "null": (b"null", "not an object"),
    "empty object": (b"{}", "no text"),
    "other keys": (b'{"body": "a", "isPositive": true}', "no text"),
    "capital": (b'{"Text": "a"}', "no text"),
    "text is a number": (b'{"text": 5}', "not a string"),
    "text is null": (b'{"text": null}', "not a string"),
    "text is a list": (b'{"text": ["a"]}', "not a string"),
    "text is an object": (b'{"text": {"text": "a"}}', "not a string"),
    "blank": (b'{"text": " \\n\\t "}', "blank"),
    "empty text": (b'{"text": ""}', "blank"),
    "label as text": (b'{"text": "a", "isPositive": "true"}', "neither true nor"),
    "label as number": (b'{"text": "a", "isPositive": 1}', "neither true nor"),
    "label null": (b'{"text": "a", "isPositive": null}', "neither true nor"),
    "misspelled": (b'{"text": "a", "is_positive": false}', "looks like isPositive"),
    "misspelled, too": (b'{"text": "a", "IsPositve": false}', "looks like isPositive"),
    "label": (b'{"text": "a", "label": 1}', "looks like isPositive"),
    "text twice": (b'{"text": "a", "text": "b"}', "same key twice"),
    "label twice": (
        b'{"text": "a", "isPositive": true, "isPositive": false}',
        "same key twice",
    ),
    "NaN": (b'{"text": "a", "n": NaN}', "NaN"),
    "infinity": (b'{"text": "a", "n": -Infinity}', "NaN"),
    "huge integer": (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "too long"),
    "deep lists": (b'{"text": ' + b"[" * 100_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 100_000, "nested too deeply"),
    "long": (b'{"text": "' + b"a" * 1_000_000 + b'"}', "longer than 1,000,000"),
    "long, no JSON": (b"a" * 1_100_000, "longer than 1,000,000"),
}

#: Whole files → what is said, and the line it is said of (None: of the file).
BAD_FILES: dict[str, tuple[bytes, str, int | None]] = {
    "zip": (a_zip("samples.jsonl"), "Line 1: ", 1),
    "xlsx": (a_zip("xl/workbook.xml"), "Line 1: ", 1),
    "png": (PNG, "Line 1: ", 1),
    "gzip": (gzip.compress(GOOD, mtime=0), "Line 1: ", 1),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "Line 1: ", 1),
    "HTML": (b"<!doctype html>\n<p>text</p>\n", "Line 1: ", 1),
    "a JSON list": (b'[\n{"text": "a"}\n]\n', "Line 1: ", 1),
    "pretty JSON": (b'{\n  "text": "a"\n}\n', "Line 1: ", 1),
    "UTF-16": (GOOD.decode().encode("utf-16"), "Line 1: ", 1),
    "UTF-16, no BOM": (GOOD.decode().encode("utf-16-le"), "NUL", 1),
    "UTF-32": (GOOD.decode().encode("utf-32"), "Line 1: ", 1),
    "two BOMs": (b"\xef\xbb\xbf" * 2 + GOOD, "Line 1: ", 1),
    "only a BOM": (b"\xef\xbb\xbf", "holds no samples", None),
    "blank lines": (b"\n\r\n  \n", "holds no samples", None),
    "Mac newlines": (GOOD.replace(b"\n", b"\r") * 2, "not JSON", 1),
    "CSV without end": (b'text\n"a\n' + GOOD, "quotation marks", 3),
    "CSV quote in the middle": (b'text,label\n"a"b,1\n', "quotation marks", 2),
    "CSV: too few columns": (b"text,label\na\n", "too few columns", 2),
    "CSV: a label": (b"text,label\na,perhaps\n", "neither true nor false", 2),
    "CSV: no label": (b"text,label\na,\n", "neither true nor false", 2),
    "CSV: separators": (b"label,text\n1;a\n", "too few columns", 2),
    "CSV: blank": (b"text,label\n  ,1\n", "blank", 2),
    "CSV: NUL": (b"text\na\x00b\n", "NUL", 2),
    "CSV: Latin-1": (b"text\ncaf\xe9\n", "not UTF-8", 2),
    "CSV: long text": (b"text\n" + b"a" * 140_000, "longer than 131,072", 2),
    "CSV: long line": (b"text\n" + b"a" * 1_000_001, "longer than 1,000,000", 2),
    "CSV: both labels": (b"text,label\na,1\na,0\n", "line 2 with the other label", 3),
    "CSV: only a header": (b"text,label\n", "holds no samples", None),
    "no header, no label": (b"just a line\nand another\n", "not JSON", 1),
    "20 MB in a line": (b'{"text": "' + b"a" * 21_000_000, "20,000,000 bytes", None),
    "20 MB of lines": (b"\n" * 19_999_990, "larger than 1,000,000 lines", None),
    "the last line": (b"\n" * 999_998 + b"{oops\n", "not JSON", 999_999),
    "too many samples": (
        b"text\n" + b"".join(b"%x\n" % n for n in range(50_001)),
        "larger than 40,000 samples",
        None,
    ),
}


@pytest.fixture
def page(category: Category) -> str:
    return reverse("admin:contentsafety_category_upload", args=[category.pk])


class Upload:
    """One file through the real page: previewed, then confirmed without ``skip``."""

    def __init__(self, client: Client, page: str, data: bytes, name: str) -> None:
        before = self.stored()
        file = SimpleUploadedFile(name, data)
        shown = client.post(page, {"file": file})
        assert shown.status_code == 200
        #: None where the form itself refuses the file (an empty one).
        self.preview = shown.context.get("preview")
        self.words = " ".join(shown.content.decode().split())
        assert self.stored() == before
        if self.preview is None:
            assert shown.context["form"].errors
            return
        self.rows = [row for row in self.preview.rows if row.message]
        for row in self.rows:
            assert row.remedy
            if row.line is not None:
                assert 1 <= row.line <= data.count(b"\n") + 1
        form: dict[str, Any] = {"token": shown.context["token"]}
        if shown.context["again"]:
            form["file"] = SimpleUploadedFile(name, data)
        if self.preview.problems or not self.preview.added:
            done = client.post(page, form, follow=True)
            assert done.status_code == 200
            self.said = said(done)
            assert "was not imported" in self.said
            assert self.stored() == before

    @staticmethod
    def stored() -> tuple[int, int]:
        return Sample.objects.count(), LogEntry.objects.count()


@pytest.mark.parametrize("case", BAD_LINES)
@pytest.mark.parametrize("before", [0, 1, 7])
def test_a_bad_line_is_named(root: Client, page: str, case: str, before: int) -> None:
    bad, expected = BAD_LINES[case]
    lines = [b'{"text": "line %d"}' % n for n in range(before + 2)]
    lines[before:before] = [bad]
    upload = Upload(root, page, b"\n".join(lines), "f.jsonl")
    if before or bad.lstrip().startswith(b"{"):
        assert [row.line for row in upload.rows] == [before + 1]
    assert f"Line {before + 1}: " in upload.said
    assert expected in upload.said
    assert "What to do" in upload.words


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused(root: Client, page: str, case: str) -> None:
    data, expected, line = BAD_FILES[case]
    upload = Upload(root, page, data, "f.jsonl")
    if line is not None:
        assert f"Line {line}: " in upload.said
        assert upload.rows[0].line == line
    assert expected in upload.said


def test_a_text_that_stands_twice_is_stored_once(root: Client, page: str) -> None:
    """Nobody has to say that it is left out; the preview names the line."""
    upload = Upload(root, page, b"text\na\n a \nb\n", "f.csv")
    assert [row.line for row in upload.rows] == [3]
    assert upload.preview.problems == 0
    token = root.post(page, {"file": SimpleUploadedFile("f.csv", b"text\na\na\n")})
    done = root.post(page, {"token": token.context["token"]}, follow=True)
    assert "1 sample was added. 1 line was left out." in said(done)
    assert Sample.objects.count() == 1


def test_an_empty_file_is_refused(root: Client, page: str) -> None:
    assert "empty" in Upload(root, page, b"", "f.jsonl").words


def test_a_name_is_shown_and_not_trusted(root: Client, page: str) -> None:
    name = "<b>x\u202e" + "n" * 300 + ".jsonl"
    upload = Upload(root, page, b"{oops", name)
    assert "<b>x" not in upload.words
    assert "\u202e" not in upload.words


# Grown: 400 + 400 + 300 uploads, beside the 170 above.

OFTEN = hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)


def is_bad(line: bytes) -> bool:
    """Said by somebody who hasn't read the parser: the plain rules alone."""
    try:
        # Space before and after is no fault, whatever space that is.
        row = json.loads(line.decode().strip())
    except (ValueError, RecursionError):
        return True
    return not (
        isinstance(row, dict)
        and isinstance(row.get("text"), str)
        and row["text"].strip()
        and isinstance(row.get("isPositive", True), bool)
    )


JUNK = st.one_of(
    st.binary(min_size=1, max_size=40),
    WORDS.map(str.encode),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "isPositive"]) | WORDS, inner)
        ),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([bad for bad, _ in BAD_LINES.values() if len(bad) < 10_000]),
    # A good line with something put in or taken out.
    st.tuples(st.integers(0, 41), st.integers(0, 5), st.binary(max_size=4)).map(
        lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] : -1]
    ),
).filter(lambda line: b"\n" not in line and line.strip() and is_bad(line))


@hypothesis_settings(OFTEN, max_examples=400)
@given(place=st.integers(0, 6), junk=JUNK)
def test_grown_lines_are_named(
    root: Client, page: str, place: int, junk: bytes
) -> None:
    lines = [b'{"text": "line %d"}' % n for n in range(7)]
    lines[place:place] = [junk]
    if place == 0:
        # The first line says which form the file has.
        lines[0:0] = [GOOD.strip()]
        place = 1
    upload = Upload(root, page, b"\n".join(lines), "f.jsonl")
    try:
        blank = not junk.decode().strip()
    except UnicodeDecodeError:
        blank = False
    if not blank:
        assert [row.line for row in upload.rows] == [place + 1]
        assert f"Line {place + 1}: " in upload.said


CELLS = st.one_of(
    st.sampled_from(['"', '""', '"a', 'a"', '"a"b', "a,b", "1;2", "\t", "", " ", "\0"]),
    WORDS,
)


@hypothesis_settings(OFTEN, max_examples=400)
@given(
    rows=st.lists(st.lists(CELLS, max_size=4), min_size=1, max_size=6),
    separator=st.sampled_from([",", ";", "\t"]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_grown_tables_are_read_or_refused(
    root: Client,
    page: str,
    rows: list[list[str]],
    separator: str,
    newline: str,
    encoding: str,
) -> None:
    table = newline.join(separator.join(row) for row in [["text", "label"], *rows])
    Upload(root, page, table.encode(encoding, "replace"), "f.csv")


@hypothesis_settings(OFTEN, max_examples=300)
@given(data=st.binary(min_size=1, max_size=400))
def test_grown_bytes_are_read_or_refused(root: Client, page: str, data: bytes) -> None:
    Upload(root, page, data, "f.bin")
