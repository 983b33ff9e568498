"""What an import would do, line by line; nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from django.utils.translation import gettext as _

from ..engine.features import MAX_CHARS
from ..engine.folds import essence
from ..engine.samples import Sample, write_jsonl
from ..engine.samples_csv import parse_samples
from ..models import Category
from ..providers import providers
from .importing import (
    MAX_SAMPLES,
    Batches,
    Data,
    Hashed,
    contradiction,
    known_labels,
)

#: Rows that a page lists, of each kind.
LISTED = 50
#: Characters of a row's text that are kept; a page shows fewer.
SHOWN = 400
#: Stored samples that are looked at together: one may be a megabyte.
ROWS = 20

Kind = Literal[
    "new",
    "near_duplicate",
    "known",
    "duplicate",
    "contradicts",
    "empty",
    "too_long",
    "unreadable",
]
#: The kinds of rows that an import leaves out, or is refused for.
PROBLEMS: tuple[Kind, ...] = (
    "contradicts",
    "empty",
    "too_long",
    "unreadable",
)
#: What an error of the parser says about its line.
_KINDS: Mapping[str, Kind] = {
    "duplicate": "duplicate",
    "contradiction": "contradicts",
    "text_blank": "empty",
    "line_too_long": "too_long",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the file. A line that can't be read has neither text nor label."""

    line: int | None
    kind: Kind
    text: str = ""
    is_positive: bool | None = None
    #: What is wrong, and what to do; empty where it is imported.
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be imported, and what not."""

    #: At most ``LISTED`` of each kind, problems first.
    rows: tuple[Row, ...]
    #: All rows, by kind.
    counts: Mapping[str, int]
    #: Samples that would be added.
    positives: int
    negatives: int
    #: Samples the category would have then.
    all_positives: int
    all_negatives: int
    #: What each provider that builds would still demand, by alias.
    demands: Mapping[str, tuple[str, ...]]

    @property
    def added(self) -> int:
        return self.positives + self.negatives

    @property
    def problems(self) -> int:
        """Lines that nobody would expect to be left out."""
        return sum(self.counts.get(kind, 0) for kind in PROBLEMS)


def preview_samples(
    category: Category, data: Data, *, is_positive: bool | None = None
) -> Preview:
    """What ``import_samples`` would do with this file. Nothing is stored.

    A line is *known* where the category has the sample, a *duplicate* where the file
    has it twice, and a *near duplicate* where it differs from another one in case,
    punctuation or look-alike characters alone: that one is imported. The file is read
    once and never held whole.
    """
    reader = _Reader(category)
    batches = Batches(reader.read)
    parsed = parse_samples(
        data, is_positive=is_positive, max_samples=MAX_SAMPLES, take=batches.take
    )
    batches.flush()
    counts = reader.counts
    for code, count in parsed.refused.items():
        counts[_KINDS.get(code, "unreadable")] += count
    for error in parsed.errors:
        if error.code != "further_errors":
            reader.keep(
                Row(
                    line=error.line,
                    kind=_KINDS.get(error.code, "unreadable"),
                    message=error.message,
                    remedy=error.remedy,
                )
            )
    samples = category.samples
    positives = samples.filter(is_positive=True).count() + reader.sizes[True]
    negatives = samples.filter(is_positive=False).count() + reader.sizes[False]
    order = [*PROBLEMS, "near_duplicate", "duplicate", "known", "new"]
    return Preview(
        rows=tuple(row for kind in order for row in reader.rows(kind)),
        counts=dict(counts),
        positives=reader.sizes[True],
        negatives=reader.sizes[False],
        all_positives=positives,
        all_negatives=negatives,
        demands=_demands(positives, negatives, reader.bytes),
    )


class _Reader:
    """Says of each sample what it is, and keeps what a page lists."""

    def __init__(self, category: Category) -> None:
        self._category = category
        self._rows: dict[str, list[Row]] = {}
        #: The line that first said it, by the hash of its essence; 0 = the category.
        self._seen: dict[bytes, int] = {}
        self.counts: Counter[str] = Counter()
        self.sizes = Counter({True: 0, False: 0})
        #: Of the JSONL that a version would be frozen as.
        self.bytes = 0
        rows = category.samples.order_by("pk").values_list("text", "is_positive")
        for text, is_positive in rows.iterator(chunk_size=ROWS):
            self._seen[_key(text)] = 0
            self.bytes += _size(Sample(text=text, is_positive=is_positive))

    def read(self, batch: list[Hashed]) -> None:
        known = known_labels(self._category, [key for _line, key, _sample in batch])
        for line, key, sample in batch:
            row = self._row(line, sample, known.get(key))
            self.counts[row.kind] += 1
            self.keep(row)
            if row.kind in ("new", "near_duplicate"):
                self.sizes[sample.is_positive] += 1
                self.bytes += _size(sample)

    def keep(self, row: Row) -> None:
        """Keep ``row`` for the page: the first ones by line."""
        rows = self._rows.setdefault(row.kind, [])
        if len(rows) < 2 * LISTED:
            rows.append(row)

    def rows(self, kind: str) -> list[Row]:
        """The first rows of that kind, in the order of the file."""
        rows = self._rows.get(kind, [])
        return sorted(rows, key=lambda row: row.line or 0)[:LISTED]

    def _row(self, line: int, sample: Sample, known: bool | None) -> Row:
        # A page shows the beginning alone.
        text, label = sample.text[:SHOWN], sample.is_positive
        if known is not None and known != label:
            message, remedy = contradiction(known)
            return Row(
                line=line,
                kind="contradicts",
                text=text,
                is_positive=label,
                message=message,
                remedy=remedy,
            )
        if known is not None:
            return Row(line=line, kind="known", text=text, is_positive=label)
        where = self._seen.setdefault(_key(sample.text), line)
        if where == line:
            return Row(line=line, kind="new", text=text, is_positive=label)
        place = _("line %d") % where if where else _("a sample of the category")
        return Row(
            line=line,
            kind="near_duplicate",
            text=text,
            is_positive=label,
            message=_("Nearly the same as %s.") % place,
            remedy=_(
                "It is imported. It teaches nothing new: leave it out, or vary it."
            ),
        )


def _key(text: str) -> bytes:
    """What near-duplicates share, in 16 bytes: there may be very many."""
    said = essence(text[:MAX_CHARS]).encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=16).digest()


def _size(sample: Sample) -> int:
    return len(write_jsonl([sample]))


def _demands(positives: int, negatives: int, size: int) -> dict[str, tuple[str, ...]]:
    return {
        alias: tuple(providers[alias].lacks(positives, negatives, size))
        for alias in sorted(providers)
        if providers[alias].can_build
    }
