"""What an import would do, line by line; nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from ..engine.folds import essence
from ..engine.samples import Sample, text_hash, write_jsonl
from ..engine.samples_csv import parse_samples
from ..models import Category
from ..providers import providers
from .importing import CHUNK, known_labels

#: Rows that a page lists, of each kind.
LISTED = 50

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
    category: Category, data: bytes, *, is_positive: bool | None = None
) -> Preview:
    """What ``import_samples`` would do with this file. Nothing is stored.

    A line is *known* where the category has the sample, a *duplicate* where the file
    has it twice, and a *near duplicate* where it differs from another one in case,
    punctuation or look-alike characters alone: that one is imported.
    """
    parsed = parse_samples(data, is_positive=is_positive)
    counts: Counter[str] = Counter()
    for code, count in parsed.refused.items():
        counts[_KINDS.get(code, "unreadable")] += count
    rows: dict[str, list[Row]] = {}
    for error in parsed.errors:
        if error.code != "further_errors":
            row = Row(
                line=error.line,
                kind=_KINDS.get(error.code, "unreadable"),
                message=error.message,
                remedy=error.remedy,
            )
            rows.setdefault(row.kind, []).append(row)
    keys = [text_hash(sample.text) for _line, sample in parsed.samples]
    known = known_labels(category, keys)
    seen = _essences(category)
    sizes = Counter({True: 0, False: 0})
    new: list[Sample] = []
    for key, (line, sample) in zip(keys, parsed.samples, strict=True):
        row = _row(line, sample, known.get(key), seen)
        counts[row.kind] += 1
        if len(rows.setdefault(row.kind, [])) < LISTED:
            rows[row.kind].append(row)
        if row.kind in ("new", "near_duplicate"):
            sizes[sample.is_positive] += 1
            new.append(sample)
    positives = category.samples.filter(is_positive=True).count() + sizes[True]
    negatives = category.samples.filter(is_positive=False).count() + sizes[False]
    order = [*PROBLEMS, "near_duplicate", "duplicate", "known", "new"]
    return Preview(
        rows=tuple(row for kind in order for row in rows.get(kind, [])[:LISTED]),
        counts=dict(counts),
        positives=sizes[True],
        negatives=sizes[False],
        all_positives=positives,
        all_negatives=negatives,
        demands=_demands(positives, negatives, _size(category, new)),
    )


def _row(line: int, sample: Sample, known: bool | None, seen: dict[str, str]) -> Row:
    text, label = sample.text, sample.is_positive
    if known is not None and known != label:
        return Row(
            line=line,
            kind="contradicts",
            text=text,
            is_positive=label,
            message=_("The category has this text as a %(label)s sample.")
            % {"label": _("positive") if known else _("negative")},
            remedy=_("Delete one of the two, or give both the same label."),
        )
    if known is not None:
        return Row(line=line, kind="known", text=text, is_positive=label)
    where = seen.get(essence(text))
    if where is None:
        seen[essence(text)] = _("line %d") % line
        return Row(line=line, kind="new", text=text, is_positive=label)
    return Row(
        line=line,
        kind="near_duplicate",
        text=text,
        is_positive=label,
        message=_("Nearly the same as %s.") % where,
        remedy=_("It is imported. It teaches nothing new: leave it out, or vary it."),
    )


def _essences(category: Category) -> dict[str, str]:
    """What the category's samples say, and where."""
    texts = category.samples.order_by("pk").values_list("text", flat=True)
    there = _("a sample of the category")
    return {essence(text): there for text in texts.iterator(chunk_size=CHUNK)}


def _size(category: Category, new: list[Sample]) -> int:
    """Bytes of the JSONL that a version would be frozen as."""
    size = len(write_jsonl(new))
    rows = category.samples.values_list("text", "is_positive")
    for text, is_positive in rows.iterator(chunk_size=CHUNK):
        size += len(write_jsonl([Sample(text=text, is_positive=is_positive)]))
    return size


def _demands(positives: int, negatives: int, size: int) -> dict[str, tuple[str, ...]]:
    return {
        alias: tuple(providers[alias].lacks(positives, negatives, size))
        for alias in sorted(providers)
        if providers[alias].can_build
    }
