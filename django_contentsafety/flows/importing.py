"""A file of samples into a category: all of it, or nothing and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import router, transaction
from django.db.models import F
from django.utils.translation import gettext as _, ngettext

from ..engine.errors import SampleError
from ..engine.samples import (
    MAX_ERRORS,
    ParsedSamples,
    Sample as EngineSample,
    text_hash,
)
from ..engine.samples_csv import parse_samples
from ..exceptions import RefusedError
from ..models import Category, LogEntry, Sample

#: A file: whole, or in chunks that can be iterated more than once.
Data = bytes | Iterable[bytes]

#: Samples of one file: what is remembered of each is what bounds the memory.
MAX_SAMPLES = 40_000
#: Characters that are held at once, or one text.
BATCH_CHARS = 500_000
#: Rows of one INSERT and one IN list: below SQLite's limit of variables.
CHUNK = 500


#: A line's number, its text's hash, and what it holds.
Hashed = tuple[int, str, EngineSample]


class SamplesRefused(RefusedError):
    """The file is not imported. ``errors`` say line by line why and what to do."""

    def __init__(self, filename: str, errors: list[SampleError]) -> None:
        self.filename = filename
        self.errors = errors
        count = len(errors)
        super().__init__(
            ngettext(
                "%(file)s was not imported: %(count)d problem.",
                "%(file)s was not imported: %(count)d problems.",
                count,
            )
            % {"file": filename, "count": count}
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    added: int
    #: Samples the category had already, with the same label: left as they are.
    known: int
    #: Lines that were left out because they can't be taken.
    skipped: int = 0


def import_samples(
    category: Category,
    data: Data,
    *,
    filename: str,
    by: str,
    source: str = Sample.Source.UPLOAD,
    is_positive: bool | None = None,
    skip: bool = False,
) -> Imported:
    """Add the samples of a file (JSONL, CSV or plain lines), in one transaction.

    ``is_positive`` is the label of plain lines. Raise SamplesRefused, with nothing
    stored, where any line can't be taken, but for one that repeats another; with
    ``skip`` those lines are left out, and it is raised only where none is left. The
    file is read twice and never held whole.
    """
    taken = 0

    def count(line: int, sample: EngineSample) -> None:
        nonlocal taken
        taken += 1

    # Before the transaction: nobody should wait for a file that is refused.
    parsed = parse_samples(
        data, is_positive=is_positive, max_samples=MAX_SAMPLES, take=count
    )
    if (errors := grave_errors(parsed)) and not (skip and taken):
        raise SamplesRefused(filename, errors)
    if not taken:
        raise SamplesRefused(
            filename,
            [
                SampleError(
                    line=None,
                    code="empty",
                    message=_("The file holds no samples."),
                    remedy=_('Write one {"text": "…", "isPositive": true} a line.'),
                )
            ],
        )
    writer = _Writer(category, source, by)
    with transaction.atomic(router.db_for_write(Category)):
        # A write first: it makes two imports into one category wait for each other.
        Category.objects.filter(pk=category.pk).update(last_number=F("last_number"))
        batches = Batches(writer.write)
        parse_samples(
            data, is_positive=is_positive, max_samples=MAX_SAMPLES, take=batches.take
        )
        batches.flush()
        if writer.errors and not skip:
            raise SamplesRefused(filename, writer.listed())
        skipped = sum(parsed.refused.values()) + writer.contradictions
        LogEntry.objects.create(
            event="samples_imported",
            actor_key=by,
            subject=category.name,
            details={
                "added": writer.added,
                "known": writer.known,
                "skipped": skipped,
            },
        )
    return Imported(added=writer.added, known=writer.known, skipped=skipped)


def grave_errors(parsed: ParsedSamples) -> list[SampleError]:
    """What keeps a file from being taken whole: a text that it has twice does not."""
    if parsed.refused.keys() <= {"duplicate"}:
        return []
    grave = [error for error in parsed.errors if error.code != "duplicate"]
    # More than a hundred repeats come first, and the list ends there.
    return grave or list(parsed.errors)


class Batches:
    """Passes on what a parser takes, some at a time: (line, text's hash, sample)."""

    def __init__(self, act: Callable[[list[Hashed]], None]) -> None:
        self._act = act
        self._held: list[Hashed] = []
        self._chars = 0

    def take(self, line: int, sample: EngineSample) -> None:
        self._held.append((line, text_hash(sample.text), sample))
        self._chars += len(sample.text)
        if len(self._held) >= CHUNK or self._chars >= BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        if self._held:
            self._act(self._held)
        self._held, self._chars = [], 0


class _Writer:
    """Inserts the samples that the category lacks; counts, and notes contradictions."""

    def __init__(self, category: Category, source: str, by: str) -> None:
        self._category, self._source, self._by = category, source, by
        self.added = self.known = self.contradictions = 0
        self.errors: list[SampleError] = []

    def write(self, batch: list[Hashed]) -> None:
        known = known_labels(self._category, [key for _line, key, _sample in batch])
        new = []
        for line, key, sample in batch:
            if key not in known:
                new.append(
                    Sample(
                        category=self._category,
                        text=sample.text,
                        text_hash=key,
                        is_positive=sample.is_positive,
                        source=self._source,
                        created_by=self._by,
                    )
                )
            elif known[key] == sample.is_positive:
                self.known += 1
            else:
                self._note(line, known[key])
        Sample.objects.bulk_create(new, batch_size=CHUNK)
        self.added += len(new)

    def listed(self) -> list[SampleError]:
        """The contradictions, those that are too many as a number."""
        more = self.contradictions - len(self.errors)
        if not more:
            return self.errors
        words = _("Further contradictions are not listed: %d more.") % more
        return [*self.errors, SampleError(words, code="further_errors")]

    def _note(self, line: int, label: bool) -> None:
        self.contradictions += 1
        if len(self.errors) < MAX_ERRORS:
            words, remedy = contradiction(label)
            self.errors.append(
                SampleError(words, line=line, code="contradicts", remedy=remedy)
            )


def contradiction(label: bool) -> tuple[str, str]:
    """What is wrong where the category has a text with ``label``, and what to do."""
    return (
        _("The category has this text as a %(label)s sample.")
        % {"label": _("positive") if label else _("negative")},
        _("Delete one of the two, or give both the same label."),
    )


def known_labels(category: Category, keys: list[str]) -> dict[str, bool]:
    """The labels of the category's samples among those with ``keys``, by key."""
    known: dict[str, bool] = {}
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = category.samples.filter(text_hash__in=chunk)
        known.update(rows.values_list("text_hash", "is_positive"))
    return known
