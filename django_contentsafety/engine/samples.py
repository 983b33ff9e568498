"""Read and write sample files: one JSON object a line, as Azure takes them."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from .errors import SampleError
from .lines import FileTooBig, numbered_lines

__all__ = ["ParsedSamples", "Sample", "parse_jsonl", "text_hash", "write_jsonl"]

#: Called with each good line's number and sample, as soon as it is read.
Take = Callable[[int, "Sample"], None]

#: How many errors are listed one by one before the rest is only counted.
MAX_ERRORS = 100

_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Brackets of one line, those in its text too: a megabyte of {} would take thirty.
_MOST_BRACKETS = 150_000
_LABELS = ("ispositive", "positive", "label")
_FORMAT = 'Write {"text": "…", "isPositive": true} on a line of its own.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text, and whether it is an example of the category or of its opposite."""

    text: str
    is_positive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSamples:
    """What a file held: the good lines, numbered from 1, and what is wrong with it.

    `errors` holds at most `MAX_ERRORS` and, where there were more, a last one that
    counts the others. Nothing is refused silently: `samples` are fit for use only
    where the caller accepts a file with these errors.
    """

    samples: tuple[tuple[int, Sample], ...]
    errors: tuple[SampleError, ...]
    #: How many lines were refused, by the error's code: all of them, listed or not.
    refused: Mapping[str, int] = field(default_factory=dict)


def text_hash(text: str) -> str:
    """Return the SHA-256, in hex, that two texts share where they are the same sample.

    Whitespace around a text makes no difference. Lone surrogates are hashed too.
    """
    return _digest(text).hex()


def parse_jsonl(
    data: bytes | Iterable[bytes],
    *,
    max_line_bytes: int = 1_000_000,
    max_bytes: int = 20_000_000,
    max_samples: int | None = None,
    take: Take | None = None,
) -> ParsedSamples:
    """Read a sample file, given whole or in chunks of any size, and list its errors.

    A line is an object with `text` and, optionally, `isPositive` (true if absent);
    other keys are ignored unless they look like a label by another name. A BOM,
    blank lines, space around a line and a missing last newline are accepted. Never
    raises for what the data hold. Memory: the samples, and one line at a time; a line
    over `max_line_bytes` is skipped unread, and nothing is read past `max_bytes` or
    `max_samples`. With `take` the samples go there instead of into the result.
    """
    collected = Collected(take, max_samples)
    try:
        for number, line in numbered_lines(data, max_line_bytes, max_bytes):
            if number == 1 and line is not None:
                line = line.removeprefix(_BOM)
            try:
                collected.add(number, line, max_line_bytes)
            except SampleError as error:
                error.line = number
                collected.refuse(error)
    except FileTooBig as error:
        collected.refuse_rest(error)
    return collected.result()


def write_jsonl(samples: Iterable[Sample]) -> bytes:
    """Return the samples as a file that `parse_jsonl` reads back, byte for byte stable.

    Raise SampleError, its line that of the sample, for a text that no line can hold:
    blank, or with NUL or a lone surrogate.
    """
    lines = []
    for number, sample in enumerate(samples, start=1):
        try:
            check_text(sample.text)
        except SampleError as error:
            error.line = number
            raise
        row = {"text": sample.text, "isPositive": sample.is_positive}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


class Collected:
    """What a reader has found so far: samples, each text once, and errors."""

    def __init__(self, take: Take | None = None, most: int | None = None) -> None:
        self.samples: list[tuple[int, Sample]] = []
        self._give = take or (lambda line, sample: self.samples.append((line, sample)))
        self._most = most
        self.errors: list[SampleError] = []
        self.unlisted = 0
        self.refused: Counter[str] = Counter()
        #: Twice the line, plus the label, by half of the text's hash: a file may hold
        #: very many short texts, and 128 bits tell them apart.
        self.seen: dict[bytes, int] = {}

    def add(self, number: int, line: bytes | None, max_line_bytes: int) -> None:
        """Read one JSON line; raise SampleError for what is wrong with it."""
        if line is None:
            raise SampleError(
                f"The line is longer than {max_line_bytes:,} bytes.",
                remedy="Shorten the text, or check that lines end in a newline.",
                code="line_too_long",
            )
        sample = _parse_line(line)
        if sample is not None:
            self.take(number, sample)

    def take(self, number: int, sample: Sample) -> None:
        """Keep a sample of line ``number``; raise SampleError where it repeats one.

        Raise FileTooBig where there are enough.
        """
        key = _digest(sample.text)[:16]
        mark = 2 * number + sample.is_positive
        earlier = self.seen.get(key)
        if earlier is not None:
            _refuse_repeat(earlier // 2, contradicts=earlier % 2 != mark % 2)
        if len(self.seen) == self._most:
            raise FileTooBig(f"{self._most:,} samples")
        self.seen[key] = mark
        self._give(number, sample)

    def refuse(self, error: SampleError) -> None:
        """Keep an error, without what the traceback holds."""
        self.refused[error.code] += 1
        if len(self.errors) < MAX_ERRORS:
            # The traceback and the decoder's own error would keep the text alive.
            error.__context__ = None
            self.errors.append(error.with_traceback(None))
        else:
            self.unlisted += 1

    def refuse_rest(self, error: FileTooBig) -> None:
        """Say that the file was not read to its end."""
        self.refuse(
            SampleError(
                f"The file is larger than {error}; the rest of it was not read.",
                remedy="Split the file, or leave samples out.",
                code="file_too_big",
            )
        )

    def result(self) -> ParsedSamples:
        """All of it, the errors that aren't listed as a number."""
        if self.unlisted:
            self.errors.append(
                SampleError(
                    f"Further errors are not listed: {self.unlisted:,} more.",
                    remedy="Correct the errors above and read the file again.",
                    code="further_errors",
                )
            )
        return ParsedSamples(
            samples=tuple(self.samples),
            errors=tuple(self.errors),
            refused=dict(self.refused),
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()


def _parse_line(line: bytes) -> Sample | None:
    try:
        decoded = line.decode()
    except UnicodeDecodeError as error:
        raise SampleError(
            f"The line is not UTF-8, at byte {error.start} of it.",
            remedy="Save the file as UTF-8.",
            code="not_utf8",
        ) from None
    decoded = decoded.strip()
    if not decoded:
        return None
    row = _load_object(decoded)
    for key in row:
        _check_key(key)
    if "text" not in row:
        raise SampleError("The line has no text.", remedy=_FORMAT, code="no_text")
    text = row["text"]
    if not isinstance(text, str):
        raise SampleError(
            "The text is not a string.",
            remedy="Put the text in quotation marks.",
            code="text_not_string",
        )
    check_text(text)
    is_positive = row.get("isPositive", True)
    if not isinstance(is_positive, bool):
        raise SampleError(
            "isPositive is neither true nor false.",
            remedy="Write true or false, without quotation marks.",
            code="label_not_boolean",
        )
    return Sample(text=text, is_positive=is_positive)


def _load_object(line: str) -> dict[str, object]:
    if "\0" in line:
        _refuse_nul()
    if line.count("{") + line.count("[") > _MOST_BRACKETS:
        raise SampleError(
            f"The line has more than {_MOST_BRACKETS:,} brackets.",
            remedy=_FORMAT,
            code="too_many_brackets",
        )
    try:
        row = json.loads(
            line, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except SampleError:
        raise
    except RecursionError:
        raise SampleError(
            "The line is nested too deeply.", remedy=_FORMAT, code="too_deep"
        ) from None
    except json.JSONDecodeError as error:
        # The decoder's own phrase names a kind of mistake and quotes nothing.
        raise SampleError(
            f"The line is not JSON: {error.msg} at character {error.pos + 1}.",
            remedy=_FORMAT,
            code="not_json",
        ) from None
    except ValueError:
        # Python refuses to read numbers of thousands of digits.
        raise SampleError(
            "The line holds a number that is too long.",
            remedy=_FORMAT,
            code="not_json",
        ) from None
    if not isinstance(row, dict):
        raise SampleError(
            "The line is JSON, but not an object.", remedy=_FORMAT, code="not_object"
        )
    return row


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise SampleError(
            "The object has the same key twice.",
            remedy="Keep one of them.",
            code="duplicate_key",
        )
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise SampleError(
        "The line holds NaN or Infinity, which JSON does not have.",
        remedy="Remove it.",
        code="not_finite",
    )


def _check_key(key: str) -> None:
    # A misspelled label would silently become the default, a positive.
    if key in ("text", "isPositive") or len(key) > 20:
        return
    letters = "".join(char for char in key.casefold() if char.isalnum())
    if difflib.get_close_matches(letters, _LABELS, cutoff=0.85):
        raise SampleError(
            "The object has a key that looks like isPositive, but is not.",
            remedy='Spell it "isPositive".',
            code="misspelled_key",
        )


def check_text(text: str) -> None:
    """Raise SampleError for a text that no line can hold."""
    if not text.strip():
        raise SampleError(
            "The text is blank.",
            remedy="Write a text, or remove the line.",
            code="text_blank",
        )
    if "\0" in text:
        _refuse_nul()
    if _SURROGATE.search(text):
        raise SampleError(
            "The text holds half of a character (a lone surrogate).",
            remedy="Remove the \\ud800 to \\udfff escape that stands alone.",
            code="lone_surrogate",
        )


def _refuse_nul() -> NoReturn:
    raise SampleError(
        "The line holds a NUL character, which databases refuse.",
        remedy="Remove it; if the file is full of them, save it as UTF-8.",
        code="nul",
    )


def _refuse_repeat(earlier: int, *, contradicts: bool) -> NoReturn:
    if contradicts:
        raise SampleError(
            f"The text stands in line {earlier} with the other label.",
            remedy="Decide which of the two labels is right and remove the other line.",
            code="contradiction",
        )
    raise SampleError(
        f"The text already stands in line {earlier}.",
        remedy="Remove one of the two lines.",
        code="duplicate",
    )
