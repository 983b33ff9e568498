"""Read samples from a spreadsheet's CSV, or from plain lines, as from JSON lines."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypedDict

from .errors import SampleError
from .lines import FileTooBig, numbered_lines
from .samples import (
    Collected,
    ParsedSamples,
    Sample,
    Take,
    check_text,
    parse_jsonl,
)

__all__ = ["parse_csv", "parse_lines", "parse_samples"]

#: What separates columns, by who writes it: most programs, those of countries whose
#: decimal point is a comma, and the clipboard.
_DELIMITERS = (",", ";", "\t")
#: Separators of one line, those inside quotation marks too. A megabyte of empty
#: columns would take thirty.
_MOST_COLUMNS = 20_000
#: Bytes that tell which form it is.
_BEGINNING = 100_000
_TEXT = frozenset({"text"})
_LABEL = frozenset({"ispositive", "positive", "label"})
_LABELS = {
    **dict.fromkeys(("true", "1", "yes", "positive", "pos", "+"), True),
    **dict.fromkeys(("false", "0", "no", "negative", "neg", "-"), False),
}
_HEADER = "The first row names the columns: text, and isPositive if there are labels."


def parse_samples(
    data: bytes | Iterable[bytes],
    *,
    is_positive: bool | None = None,
    max_bytes: int = 20_000_000,
    max_samples: int | None = None,
    take: Take | None = None,
) -> ParsedSamples:
    """Read samples in whichever of three forms they are, and list their errors.

    JSON lines begin with ``{``. CSV begins with a row that names a column ``text``.
    Anything else is plain lines, a text each, all with the label ``is_positive``; where
    that is None they are refused, because nobody said which label they have. Never
    raises for what the data hold. Bounds and ``take`` are those of ``parse_jsonl``.
    """
    beginning, data = _peek(data)
    start = beginning.removeprefix(codecs.BOM_UTF8).lstrip()
    limits: _Limits = {
        "max_bytes": max_bytes,
        "max_samples": max_samples,
        "take": take,
    }
    if start.startswith(b"{") or not start:
        return parse_jsonl(data, **limits)
    if _columns(start.split(b"\n", 1)[0].decode("utf-8", "replace")) is not None:
        return parse_csv(data, **limits)
    if is_positive is None:
        return parse_jsonl(data, **limits)
    return parse_lines(data, is_positive=is_positive, **limits)


def parse_csv(
    data: bytes | Iterable[bytes],
    *,
    max_line_bytes: int = 1_000_000,
    max_bytes: int = 20_000_000,
    max_samples: int | None = None,
    take: Take | None = None,
) -> ParsedSamples:
    """Read CSV in UTF-8: commas, semicolons or tabs, quotation marks as in RFC 4180.

    The first row names the columns: ``text``, and ``isPositive``, ``positive`` or
    ``label`` where there are labels (true, 1, yes, positive or the opposite); without
    that column all are positive. Other columns are ignored. A text may hold newlines;
    an error names the line its row ends in.
    """
    collected = Collected(take, max_samples)
    lines = _Lines(
        numbered_lines(data, max_line_bytes, max_bytes),
        max_line_bytes,
        max_columns=_MOST_COLUMNS,
    )
    columns: tuple[int, int | None, str] | None = None
    try:
        first = next(lines, "")
        columns = _columns(first)
        if columns is None:
            raise SampleError(
                "There is no column text.", line=1, remedy=_HEADER, code="no_text"
            )
        text, label, delimiter = columns
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if not any(cell.strip() for cell in row):
                continue
            try:
                collected.take(lines.number, _sample(row, text, label))
            except SampleError as error:
                error.line = lines.number
                collected.refuse(error)
    except SampleError as error:
        collected.refuse(error)
    except csv.Error:
        # Where a quote is wrong, all that follows is: a text without end, too.
        collected.refuse(
            SampleError(
                "The quotation marks don't match, or a text is longer than "
                f"{csv.field_size_limit():,} characters.",
                line=lines.number,
                remedy='Write a quotation mark inside a text twice: "". The rest of '
                "the file was not read.",
                code="not_csv",
            )
        )
    except FileTooBig as error:
        collected.refuse_rest(error)
    return collected.result()


def parse_lines(
    data: bytes | Iterable[bytes],
    *,
    is_positive: bool,
    max_line_bytes: int = 1_000_000,
    max_bytes: int = 20_000_000,
    max_samples: int | None = None,
    take: Take | None = None,
) -> ParsedSamples:
    """Read plain lines in UTF-8: each that isn't blank is a text with this label."""
    collected = Collected(take, max_samples)
    lines = _Lines(numbered_lines(data, max_line_bytes, max_bytes), max_line_bytes)
    while True:
        try:
            line = next(lines, None)
            if line is None:
                break
            text = line.strip()
            if text:
                check_text(text)
                collected.take(lines.number, Sample(text=text, is_positive=is_positive))
        except SampleError as error:
            error.line = lines.number
            collected.refuse(error)
        except FileTooBig as error:
            collected.refuse_rest(error)
            break
    return collected.result()


class _Limits(TypedDict):
    max_bytes: int
    max_samples: int | None
    take: Take | None


def _peek(data: bytes | Iterable[bytes]) -> tuple[bytes, bytes | Iterable[bytes]]:
    """How the data begin, and all of them."""
    if isinstance(data, bytes):
        return data[:_BEGINNING], data
    chunks = iter(data)
    beginning = b""
    for chunk in chunks:
        beginning += chunk
        if len(beginning) >= _BEGINNING:
            break
    return beginning[:_BEGINNING], chain((beginning,), chunks)


class _Lines:
    """A file's lines as text; ``number`` is that of the last one given."""

    def __init__(
        self,
        lines: Iterator[tuple[int, bytes | None]],
        max_line_bytes: int,
        *,
        max_columns: int | None = None,
    ) -> None:
        self._lines = lines
        self._max = max_line_bytes
        self._max_columns = max_columns
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            raise SampleError(
                f"The line is longer than {self._max:,} bytes.",
                line=self.number,
                remedy="Shorten the text, or check that lines end in a newline.",
                code="line_too_long",
            )
        if self._max_columns is not None and self._max_columns < max(
            line.count(delimiter.encode()) for delimiter in _DELIMITERS
        ):
            raise SampleError(
                f"The line has more than {self._max_columns:,} columns.",
                line=self.number,
                remedy="Leave out all columns but text and isPositive.",
                code="too_many_columns",
            )
        if self.number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            # The newline is what a quoted text may hold.
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            raise SampleError(
                f"The line is not UTF-8, at byte {error.start} of it.",
                line=self.number,
                remedy="Save the file as UTF-8 (in Excel: CSV UTF-8).",
                code="not_utf8",
            ) from None


def _columns(header: str) -> tuple[int, int | None, str] | None:
    """Where text and label stand, and what separates columns; None = no header."""
    for delimiter in _DELIMITERS:
        try:
            row = next(csv.reader([header], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = ["".join(c for c in cell.casefold() if c.isalnum()) for cell in row]
        text = next((i for i, name in enumerate(names) if name in _TEXT), None)
        if text is not None:
            label = next((i for i, name in enumerate(names) if name in _LABEL), None)
            return text, label, delimiter
    return None


def _sample(row: list[str], text: int, label: int | None) -> Sample:
    if len(row) <= max(text, label or 0):
        raise SampleError(
            "The row has too few columns.",
            remedy="Put a text that holds separators in quotation marks.",
            code="too_few_columns",
        )
    check_text(row[text])
    is_positive = True if label is None else _LABELS.get(row[label].strip().casefold())
    if is_positive is None:
        raise SampleError(
            "The label is neither true nor false.",
            remedy="Write true or false.",
            code="label_not_boolean",
        )
    return Sample(text=row[text], is_positive=is_positive)
